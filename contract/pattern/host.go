package pattern

import (
	"net/netip"
	"strings"

	"section.internal/contract/ascii"
	"section.internal/contract/ipliteral"
)

// Host is a pattern of hosts: a name or an address, or "*." and a name, which stands for every name that ends in it.
type Host struct{ text string }

// ParseHost parses a pattern; upper case is taken for lower. The error is an *Error.
func ParseHost(text string) (Host, error) {
	if err := checkText(text, `"www.example.com" or "*.example.com"`); err != nil {
		return Host{}, err
	}
	text = ascii.ToLower(text)
	if strings.HasPrefix(text, "[") {
		return parseAddressHost(text)
	}
	start := 0
	if strings.HasPrefix(text, "*.") {
		start = 2
	}
	name := text[start:]
	if i := strings.Index(text, "://"); i >= 0 {
		return Host{}, errorAt(0, `begins with a scheme: want a host such as "www.example.com", and the key protocol for http or https`)
	}
	if strings.Count(text, ":") > 1 {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			return Host{}, errorAt(0, `want the address in brackets, as clients send it: "[%s]"`, addr)
		}
	}
	for i := start; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && text == "*":
			return Host{}, errorAt(0, `"*": want a host such as "www.example.com", or no key host for every host`)
		case c == '*':
			return Host{}, errorAt(i, `"*": want it at the beginning, followed by a dot, as in "*.example.com"`)
		case c == ':':
			return Host{}, errorAt(i, `%q: want a host without port`, text[i:])
		case c == '/':
			return Host{}, errorAt(i, `%q: want a host without path, and the key path for that`, text[i:])
		case c >= 0x80:
			return Host{}, errorAt(i, `not ASCII: want the name as clients send it, with "xn--"`)
		case c == '.' && (i == start || text[i-1] == '.'):
			return Host{}, errorAt(i, `empty label: want a name such as "www.example.com"`)
		case c == '.' && i == len(text)-1:
			return Host{}, errorAt(i, `want the name without the dot at its end`)
		case c != '.' && c != '-' && c != '_' && !isLetter(c) && (c < '0' || c > '9'):
			return Host{}, errorAt(i, `%q: want letters, digits, "-", "_" and dots`, c)
		}
	}
	if name == "" {
		return Host{}, errorAt(start, `want a name behind "*.", as in "*.example.com"`)
	}
	if len(name) > 253 {
		return Host{}, errorAt(start+253, "longer than 253 bytes: want a shorter name")
	}
	if addr, err := netip.ParseAddr(name); err == nil && start > 0 {
		return Host{}, errorAt(0, `there is nothing below the address %s: want %q`, addr, name)
	}
	return Host{text}, nil
}

// parseAddressHost parses an IPv6 address in brackets.
func parseAddressHost(text string) (Host, error) {
	end := strings.IndexByte(text, ']')
	if end >= 0 && end < len(text)-1 && text[end+1] == ':' {
		return Host{}, errorAt(end+1, `%q: want a host without port`, text[end+1:])
	}
	if end != len(text)-1 {
		return Host{}, errorAt(0, `want one IPv6 address in brackets, such as "[2001:db8::1]"`)
	}
	if !ipliteral.Is(text) {
		return Host{}, errorAt(1, `%q is no IPv6 address: want one such as "[2001:db8::1]"`, text[1:end])
	}
	return Host{text}, nil
}

// Match says whether host, in lower case and without port and trailing dot, fits.
func (h Host) Match(host []byte) bool {
	if name, anyBelow := h.Name(); anyBelow {
		n := len(host) - len(name) - 1
		return n > 0 && host[n] == '.' && string(host[n+1:]) == name
	}
	return h.text != "" && string(host) == h.text
}

// Name returns the name without the "*.", and whether that stood there.
func (h Host) Name() (name string, anyBelow bool) { return strings.CutPrefix(h.text, "*.") }

// Covers says whether every host that fits g fits h.
func (h Host) Covers(g Host) bool {
	name, anyBelow := h.Name()
	other, otherBelow := g.Name()
	if !anyBelow {
		return name == other && !otherBelow
	}
	return strings.HasSuffix(other, "."+name) || otherBelow && name == other
}

func (h Host) String() string { return h.text }
