package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"section.internal/contract/printable"
)

// record is what sectionctl shows of an access log line.
type record struct {
	Time    field `json:"time"`
	Client  field `json:"client"`
	Status  field `json:"status"`
	Cache   field `json:"cache"`
	Reason  field `json:"reason"`
	Taken   field `json:"time_taken_ms"`
	Bytes   field `json:"bytes"`
	Host    field `json:"hostname"`
	Request field `json:"request"`
	Seq     field `json:"seq"`
}

// field is a value of the access log. proxyd writes strings; whatever else stands there is shown as it stands.
type field string

func (f *field) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text)
	}
	*f = field(s)
	return nil
}

// The columns' widths, in characters; below zero: aligned to the left. A longer value moves the rest of its line.
const columns = "%-24s  %-15s  %-6s  %-5s  %-24s  %7s  %9s  %-24s  %s"

// columnHead is the line above the columns.
func columnHead() string {
	return fmt.Sprintf(columns, "TIME", "CLIENT", "STATUS", "CACHE", "REASON", "MS", "BYTES", "HOST", "REQUEST")
}

// columnsOf shows a line of the access log in columns, without a line end. Nothing that a client or next-hop has put into it
// reaches the terminal as control. A line that is no JSON object is shown as it is, after a question mark.
func columnsOf(line []byte, r record, err error) string {
	if err != nil {
		return "? " + printable.Text(string(line))
	}
	show := func(f field) string {
		if f == "" {
			return "-"
		}
		return printable.Text(string(f))
	}
	return strings.TrimRight(fmt.Sprintf(columns, show(r.Time), show(r.Client), show(r.Status), show(r.Cache), show(r.Reason),
		show(r.Taken), show(r.Bytes), show(r.Host), show(r.Request)), " ")
}

// parseRecord reads a line of the access log.
func parseRecord(line []byte) (r record, err error) {
	if !utf8.Valid(line) {
		return r, fmt.Errorf("not UTF-8")
	}
	err = json.Unmarshal(line, &r)
	return r, err
}
