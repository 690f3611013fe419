package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"section.internal/bench/internal/epoll"
)

// Refused is what came of requests that no server takes.
type Refused struct {
	Requests int `json:"requests"`
	Told     int `json:"told"` // of them were answered with a status of 4xx; the others found their connection ended
}

// refusers is how many connections send such requests at once: with some servers one takes 40 ms, the pause of a delayed
// acknowledgement, and CPU time is told in steps of 10 ms.
const refusers = 64

// manyFields returns a request with so many fields.
func manyFields(path string, fields int) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n", path)
	for n := range fields {
		b = fmt.Appendf(b, "X-%d: %d\r\n", n, n)
	}
	return append(b, "\r\n"...)
}

// refuser sends one request after the other, each over a connection of its own.
type refuser struct {
	fd     int
	unsent []byte
	answer []byte
}

// Refuse sends requests with so many fields for so long, each refuser one at least, and returns when the last has been refused.
func (g *Generator) Refuse(fields int, duration time.Duration) (r Refused, err error) {
	request := manyFields(g.target.Path, fields)
	var all [refusers]refuser
	for i := range all {
		all[i].fd = -1
	}
	for end, begun, left := time.Now().Add(duration), 0, 0; ; {
		left = 0
		for i := range all {
			s := &all[i]
			if s.fd < 0 {
				if begun >= refusers && time.Now().After(end) {
					continue
				}
				begun++
				if s.fd, err = epoll.Connect(g.target.Addr); err != nil {
					return r, err
				}
				s.unsent, s.answer = request, s.answer[:0]
			}
			left++
			ended, err := s.step()
			if err != nil {
				return r, err
			}
			if ended {
				epoll.Close(s.fd)
				s.fd = -1
				r.Requests++
				if len(s.answer) > 0 {
					r.Told++
				}
			}
		}
		if left == 0 {
			return r, nil
		}
		if time.Since(end) > patience {
			return r, fmt.Errorf("%d requests with %d fields are not refused within %v", left, fields, patience)
		}
	}
}

// step sends and reads what it can, and says whether the request is over.
func (s *refuser) step() (ended bool, err error) {
	if len(s.unsent) > 0 {
		n, err := epoll.Send(s.fd, s.unsent)
		s.unsent = s.unsent[n:]
		switch {
		case errors.Is(err, epoll.ErrClosed): // it may have told why before
			s.unsent = nil
		case err != nil && err != epoll.ErrAgain:
			return true, err
		}
	}
	n, err := epoll.Recv(s.fd, scratch[:maxHead])
	switch {
	case err == nil:
		s.answer = append(s.answer, scratch[:n]...)
	case err == epoll.ErrAgain:
		return false, nil
	case !errors.Is(err, epoll.ErrClosed):
		return true, err
	case len(s.answer) == 0:
		return true, nil
	}
	if !bytes.Contains(s.answer, []byte("\r\n\r\n")) && err == nil {
		return false, nil
	}
	if !bytes.HasPrefix(s.answer, []byte("HTTP/1.1 4")) {
		return true, fmt.Errorf("want status 4xx for a request with too many fields, got %.60q", s.answer)
	}
	return true, nil
}
