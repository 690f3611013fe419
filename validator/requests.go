package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"section.internal/contract/policy"
	"section.internal/contract/token"
)

// maxLine is the longest line of an access log that is read, in bytes. Those of requests with default limits are far shorter.
const maxLine = 1 << 20

// accessLog reads the requests of an access log as proxyd writes it, a line at a time, so that its size does not matter. It is
// used by one goroutine.
type accessLog struct {
	name string
	in   *bufio.Reader
	file io.Closer // nil: stdin

	line       int // the number of the newest line, from 1
	unreadable int // how many lines hold no record
	first      int // the first of them
}

// openLog opens a file, or stdin for "-". What is compressed with gzip is read as what it was.
func openLog(name string, stdin io.Reader) (*accessLog, error) {
	l := &accessLog{name: name}
	from := stdin
	if name == "-" {
		l.name = "stdin"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read --requests %s: %w", name, withoutPath(err))
		}
		l.file, from = file, file
	}
	l.in = bufio.NewReaderSize(from, 64<<10)
	if magic, _ := l.in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952 section 2.3.1
		inside, err := gzip.NewReader(l.in)
		if err != nil {
			l.close()
			return nil, l.failed(err)
		}
		l.in = bufio.NewReaderSize(inside, 64<<10)
	}
	return l, nil
}

func (l *accessLog) close() {
	if l.file != nil {
		l.file.Close()
	}
}

func (l *accessLog) failed(err error) error {
	return fmt.Errorf("cannot read --requests %s behind line %d: %w", l.name, l.line, withoutPath(err))
}

// request is a request of a log. It is used again for the next.
type request struct {
	method, scheme, host, target string
	fields                       fields
	client                       netip.Addr
}

type field struct{ name, value []byte }

// fields are a header section as package policy looks at it.
type fields []field

func (f fields) Len() int { return len(f) }

func (f fields) Field(i int) (name, value []byte) { return f[i].name, f[i].value }

func (r *request) url() string { return r.scheme + "://" + r.host + r.target }

// policyRequest returns the request as package policy looks at it.
func (r *request) policyRequest() *policy.Request {
	return &policy.Request{Method: []byte(r.method), Target: []byte(r.target), Host: []byte(r.host), Fields: r.fields, Peer: r.client}
}

// record is what a line of the access log tells of a request. All values are strings.
type record struct {
	Request        *string `json:"request"`
	Host           *string `json:"hostname"`
	Referer        string  `json:"referrer"`
	UserAgent      string  `json:"useragent"`
	ForwardedProto string  `json:"http_x_forwarded_proto"`
	ID             string  `json:"section_io_id"`
	Client         string  `json:"client"`
}

// next reads the next request that rules would see into r: requests that proxyd refuses before are left out, and so are lines that
// hold no record, which are counted. The error is io.EOF at the end.
func (l *accessLog) next(r *request) error {
	for {
		line, err := l.readLine()
		if err != nil {
			return err
		}
		var rec record
		if line == nil || json.Unmarshal(line, &rec) != nil || rec.Request == nil || rec.Host == nil {
			if l.unreadable++; l.first == 0 {
				l.first = l.line
			}
			continue
		}
		if rec.into(r) {
			return nil
		}
	}
}

// readLine returns the next line that is not empty, without its end; nil stands for one that is too long. The error is io.EOF at
// the end of the log.
func (l *accessLog) readLine() ([]byte, error) {
	var long []byte // what there is of a line that is longer than the buffer
	tooLong := false
	for {
		piece, err := l.in.ReadSlice('\n')
		ended := err == nil || err == io.EOF && len(piece)+len(long) > 0
		if !ended && err != bufio.ErrBufferFull {
			if err == io.EOF {
				return nil, err
			}
			return nil, l.failed(err)
		}
		if !ended || long != nil {
			tooLong = tooLong || len(long)+len(piece) > maxLine
			if !tooLong {
				long = append(long, piece...)
			}
			piece = long
		}
		if !ended {
			continue
		}
		l.line++
		if tooLong {
			return nil, nil
		}
		if piece = bytes.TrimSpace(piece); len(piece) > 0 {
			return piece, nil
		}
		long = nil
	}
}

// into makes r the request of a record, if rules would see it.
func (rec *record) into(r *request) bool {
	method, rest, _ := strings.Cut(*rec.Request, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") || !token.Is(method) || !visible(target) || !visible(*rec.Host) {
		return false
	}
	if _, absolute, ok := strings.Cut(target, "://"); ok && !strings.HasPrefix(target, "/") {
		path := strings.IndexAny(absolute, "/?")
		if path < 0 {
			path = len(absolute)
		}
		if target = absolute[path:]; !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	if !strings.HasPrefix(target, "/") && target != "*" || method == "CONNECT" || method == "TRACE" {
		return false
	}
	r.method, r.host, r.target, r.scheme = method, *rec.Host, target, "http"
	r.fields = r.fields[:0]
	for _, f := range [][2]string{
		{"Host", *rec.Host}, {"Referer", rec.Referer}, {"User-Agent", rec.UserAgent}, {"X-Forwarded-Proto", rec.ForwardedProto}, {"section-io-id", rec.ID},
	} {
		if f[1] != "" {
			r.fields = append(r.fields, field{[]byte(f[0]), []byte(f[1])})
		}
	}
	if strings.EqualFold(rec.ForwardedProto, "https") {
		r.scheme = "https"
	}
	r.client, _ = netip.ParseAddr(rec.Client) // the log may show none
	return true
}

// withoutPath returns what the system said, without the path that is named already.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
