package main

import (
	"net/netip"
	"strings"

	"section.internal/contract/config"
	"section.internal/contract/hook"
	"section.internal/contract/token"
)

// defaultClient is where a request comes from that says nothing else: an address that belongs to nobody (RFC 5737).
var defaultClient = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// requestOf builds the request that a command line describes. The error is a misuse.
func requestOf(url, method string, headers []string, client string) (*config.TestRequest, error) {
	r := &config.TestRequest{Method: "GET", Client: defaultClient}
	scheme, rest, ok := strings.Cut(url, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return nil, hook.Misuse("--explain %q: want a URL such as https://www.example.com/a?b=c", url)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	r.HTTPS, r.Host = scheme == "https", rest[:end]
	r.Target, _, _ = strings.Cut(rest[end:], "#") // a client does not send it
	if !strings.HasPrefix(r.Target, "/") {
		r.Target = "/" + r.Target
	}
	switch {
	case r.Host == "":
		return nil, hook.Misuse("--explain %q: the host is missing: want a URL such as https://www.example.com/a?b=c", url)
	case strings.Contains(r.Host, "@"):
		return nil, hook.Misuse("--explain %q: no client sends a user with its request: leave out what stands before the @", url)
	case !visible(r.Host) || !visible(r.Target):
		return nil, hook.Misuse("--explain %q: a URL has no spaces, control characters or letters beyond ASCII: write them percent-encoded", url)
	}
	if method != "" {
		if r.Method = method; !token.Is(method) {
			return nil, hook.Misuse("--method %q: want a method such as GET", method)
		}
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		value = strings.Trim(value, " \t")
		switch {
		case !ok || !token.Is(name) || strings.ContainsFunc(value, isControl):
			return nil, hook.Misuse("-H %q: want a field such as 'Accept-Language: de'", h)
		case strings.EqualFold(name, "Host"):
			return nil, hook.Misuse("-H %q: the host is that of the URL: write it there", h)
		case strings.EqualFold(name, "X-Forwarded-Proto"):
			return nil, hook.Misuse("-H %q: the scheme of the URL says it: write http:// or https:// there", h)
		}
		r.Fields = append(r.Fields, config.TextField{Name: name, Value: value})
	}
	if client != "" {
		address, err := netip.ParseAddr(client)
		if err != nil {
			return nil, hook.Misuse("--client %q: want an address such as %s or 2001:db8::1", client, defaultClient)
		}
		r.Client = address
	}
	return r, nil
}

// visible says whether all bytes are visible ASCII characters: proxyd takes no others in a request line or in Host.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
