package pattern

import (
	"bytes"
	"strings"

	"section.internal/contract/percent"
)

// Path is a pattern of decoded paths: "*" stands for any bytes but "/", "**" for any bytes, everything else for itself. It begins
// with "/" or with "**".
//
// "**" parts a pattern into blocks, and "/" parts a block into segments, which are globs: since "*" stands for no "/", the segments of
// a block lie in neighbouring segments of the path. Blocks are looked for from the left, each at the first place where it is, which
// leaves the most room to the rest; so each block looks at a segment of the path once for each of its own at most.
type Path struct {
	text   string
	kind   pathKind
	blocks []block // of a pattern of the general kind
}

// block is what stands between two "**".
type block []glob

// pathKind tells the patterns that need one comparison from all others.
type pathKind uint8

const (
	generalPath pathKind = iota
	wholePath            // no wildcard
	pathPrefix           // "**" at the end alone
	pathSuffix           // "**" at the beginning alone
)

// ParsePath parses a pattern. The error is an *Error.
func ParsePath(text string) (Path, error) {
	if err := checkPath(text); err != nil {
		return Path{}, err
	}
	p := Path{text: text}
	blocks := strings.Split(text, "**")
	switch {
	case !strings.Contains(text, "*"):
		p.kind = wholePath
	case len(blocks) == 2 && blocks[1] == "" && !strings.Contains(blocks[0], "*"):
		p.kind = pathPrefix
	case len(blocks) == 2 && blocks[0] == "" && !strings.Contains(blocks[1], "*"):
		p.kind = pathSuffix
	default:
		for _, text := range blocks {
			var b block
			for segment := range strings.SplitSeq(text, "/") {
				b = append(b, glob{literals: strings.Split(segment, "*")})
			}
			p.blocks = append(p.blocks, b)
		}
	}
	return p, nil
}

func checkPath(text string) error {
	if err := checkText(text, `"/static/**"`); err != nil {
		return err
	}
	if text[0] != '/' && starsAt(text) < 2 {
		if text[0] == '*' {
			return errorAt(0, `begins with "*": want "/" or "**" at the beginning; "*%s" fits in every folder`, text)
		}
		return errorAt(0, `does not begin with "/": want "/" or "**" at the beginning`)
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '?':
			return errorAt(i, `"?": a path has no query; want the key query beside path, or "*" for the character itself`)
		case c == '#':
			return errorAt(i, `"#": a request has no fragment; want "*" for the character itself`)
		case percent.Begins(text[i:]):
			return errorAt(i, `%q: paths are matched decoded; want the character that it stands for`, text[i:i+percent.Size])
		case c == '*':
			stars := starsAt(text[i:])
			if stars > 2 {
				return errorAt(i, `%d "*" in a row: want "*" for any characters but "/", or "**" for any characters`, stars)
			}
			i += stars - 1
		case c == '/':
			segment, _, more := strings.Cut(text[i+1:], "/")
			switch {
			case segment == "." || segment == "..":
				return errorAt(i+1, `%q: such segments are removed before a path is matched, so nothing would fit; want the path without`, segment)
			case segment == "" && more:
				return errorAt(i, `"//": empty segments are removed before a path is matched, so nothing would fit; want "/"`)
			}
		}
	}
	return nil
}

// Match says whether the whole of path fits.
func (p Path) Match(path []byte) bool {
	switch n := len(p.text); p.kind {
	case wholePath:
		return string(path) == p.text
	case pathPrefix:
		return len(path) >= n-2 && string(path[:n-2]) == p.text[:n-2]
	case pathSuffix:
		return len(path) >= n-2 && string(path[len(path)-n+2:]) == p.text[2:]
	}
	if len(p.blocks) == 0 {
		return false // the zero value
	}
	first, between := p.blocks[0], p.blocks[1:]
	if len(between) == 0 {
		return first.match(path)
	}
	path, ok := first.matchPrefix(path)
	for ok && len(between) > 1 {
		path, ok = between[0].find(path)
		between = between[1:]
	}
	return ok && between[0].matchSuffix(path)
}

// cutSegment returns the first segment of path and what comes behind its "/".
func cutSegment(path []byte) (segment, rest []byte, more bool) {
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:], true
	}
	return path, nil, false
}

// match says whether the whole of path fits.
func (b block) match(path []byte) bool {
	more := true
	for _, g := range b {
		var segment []byte
		if !more {
			return false
		}
		if segment, path, more = cutSegment(path); !g.match(segment) {
			return false
		}
	}
	return !more
}

// matchPrefix returns what is left of path behind the shortest beginning that fits.
func (b block) matchPrefix(path []byte) (rest []byte, ok bool) {
	for _, g := range b[:len(b)-1] {
		segment, rest, more := cutSegment(path)
		if !more || !g.match(segment) {
			return nil, false
		}
		path = rest
	}
	return b.last(path)
}

// last looks for the last segment of a block at the beginning of path, and returns what is left of path behind it.
func (b block) last(path []byte) (rest []byte, ok bool) {
	segment, _, _ := cutSegment(path)
	after, ok := b[len(b)-1].matchPrefix(segment)
	return path[len(segment)-len(after):], ok
}

// find returns what is left of path behind the first part that fits.
func (b block) find(path []byte) (rest []byte, ok bool) {
	for more := true; more; {
		segment, next, _ := cutSegment(path)
		if len(b) == 1 {
			if after, ok := b[0].find(segment); ok {
				return path[len(segment)-len(after):], true
			}
		} else if len(segment) < len(path) && b[0].matchSuffix(segment) {
			if rest, ok := b[1:].matchPrefix(next); ok {
				return rest, true
			}
		}
		_, path, more = cutSegment(path)
	}
	return nil, false
}

// matchSuffix says whether path ends in something that fits: the last of its segments, as many as the block has.
func (b block) matchSuffix(path []byte) bool {
	for i := len(b) - 1; i > 0; i-- {
		slash := bytes.LastIndexByte(path, '/')
		if slash < 0 || !b[i].match(path[slash+1:]) {
			return false
		}
		path = path[:slash]
	}
	return b[0].matchSuffix(path[bytes.LastIndexByte(path, '/')+1:])
}

// Prefix returns the bytes that every path that fits begins with, and whether they are all of it: the pattern has no wildcard.
func (p Path) Prefix() (prefix string, whole bool) {
	prefix, _, wild := strings.Cut(p.text, "*")
	return prefix, !wild
}

func (p Path) String() string { return p.text }

// Covers says whether every path that fits q fits p, where that is certain: each wildcard of q lies within one of p.
func (p Path) Covers(q Path) bool { return covers(pathTokens(p.text), pathTokens(q.text)) }

// token is a byte of a pattern, or one of its wildcards.
type token uint16

const (
	anyButSlash token = 256 + iota
	anything
)

func pathTokens(text string) (tokens []token) {
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "**"):
			tokens = append(tokens, anything)
			i++
		case text[i] == '*':
			tokens = append(tokens, anyButSlash)
		default:
			tokens = append(tokens, token(text[i]))
		}
	}
	return tokens
}

// covers says whether each token of q is one of p's or lies within a wildcard of p, in their order.
func covers(p, q []token) bool {
	// fits[i] says whether p[:i] takes up what was read of q.
	fits := make([]bool, len(p)+1)
	fits[0] = true
	empty := func() { // wildcards that stand for nothing
		for i, t := range p {
			fits[i+1] = fits[i+1] || fits[i] && t >= anyButSlash
		}
	}
	empty()
	for _, t := range q {
		for i := len(p); i > 0; i-- {
			switch by := p[i-1]; by {
			case anything: // stays, or begins with t
				fits[i] = fits[i] || fits[i-1]
			case anyButSlash:
				fits[i] = (fits[i] || fits[i-1]) && t != '/' && t != anything
			default:
				fits[i] = fits[i-1] && by == t
			}
		}
		fits[0] = false
		empty()
	}
	return fits[len(p)]
}
