package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// logFields are the access log's fields that the platform and its users know, in proxyd's order: every server writes them, as JSON,
// since a log with less in it is less work, and of no use there. proxyd writes six more.
var logFields = []string{
	"time", "time_taken_ms", "request", "status", "bytes", "response_body_bytes", "content_type", "hostname", "referrer", "useragent",
	"http_x_forwarded_proto", "upstream_status", "section_io_tag", "section_io_id", "uri_path", "cache",
}

// logLine returns a server's format of a line, from what it calls the fields.
func logLine(names map[string]string) string {
	var parts []string
	for _, field := range logFields {
		parts = append(parts, `"`+field+`":"`+names[field]+`"`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// checkLine returns an error when a line lacks a field, or is not about an answer with status 200.
func checkLine(line []byte) error {
	var fields map[string]string
	if err := json.Unmarshal(line, &fields); err != nil {
		return fmt.Errorf("the access log has the line %q: %w: want an object of strings", line, err)
	}
	for _, field := range logFields {
		if _, ok := fields[field]; !ok {
			return fmt.Errorf("the access log has no %s in the line %q", field, line)
		}
	}
	if fields["status"] != "200" {
		return fmt.Errorf("the access log has status %q in the line %q: want 200", fields["status"], line)
	}
	return nil
}
