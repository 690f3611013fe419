// Package pattern owns the patterns that a configuration matches paths, hosts and other values with. A parsed pattern never changes
// and may be used from anywhere; matching allocates nothing.
package pattern

import "errors"

// Error is why a text is no pattern.
type Error struct {
	Offset  int    // in bytes of the text
	Message string // what is wrong there, and what is accepted
}

func (e *Error) Error() string { return e.Message }

// Path is a pattern of decoded paths: "*" stands for any bytes but "/", "**" for any bytes, everything else for itself. It begins
// with "/" or with "**".
type Path struct{ text string }

// ParsePath parses a pattern. The error is an *Error.
func ParsePath(text string) (Path, error) { return Path{}, errors.ErrUnsupported }

// Match says whether the whole of path fits.
func (p Path) Match(path []byte) bool { return false }

// Prefix returns the bytes that every path that fits begins with, and whether they are all of it: the pattern has no wildcard.
func (p Path) Prefix() (prefix string, whole bool) { return "", false }

func (p Path) String() string { return p.text }

// Host is a pattern of hosts: a name or an address, or "*." and a name, which stands for every name that ends in it.
type Host struct{ text string }

// ParseHost parses a pattern; upper case is taken for lower. The error is an *Error.
func ParseHost(text string) (Host, error) { return Host{}, errors.ErrUnsupported }

// Match says whether host, in lower case and without port and trailing dot, fits.
func (h Host) Match(host []byte) bool { return false }

// Name returns the name without the "*.", and whether that stood there.
func (h Host) Name() (name string, anyBelow bool) { return "", false }

func (h Host) String() string { return h.text }

// Value is a pattern of any other value: "*" stands for any bytes, everything else for itself.
type Value struct{ text string }

// ParseValue parses a pattern. With fold the case of ASCII letters makes no difference. The error is an *Error.
func ParseValue(text string, fold bool) (Value, error) { return Value{}, errors.ErrUnsupported }

// Match says whether the whole of value fits.
func (v Value) Match(value []byte) bool { return false }

// Literal returns the one value that fits, or false when the pattern has a wildcard.
func (v Value) Literal() (string, bool) { return "", false }

func (v Value) String() string { return v.text }
