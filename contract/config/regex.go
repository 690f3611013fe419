package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"section.internal/contract/printable"
	"section.internal/contract/template"
)

// The bounds of regular expressions. Go's library takes a{1000} as a thousand instructions and \pL as 1,300 numbers, so a short
// text can make a large machine; the costs are about the bytes that it takes. A rule of the manual's examples costs 3,000.
const (
	maxRegex   = 1024     // bytes of an expression
	maxMachine = 1 << 20  // the cost of one
	maxRegexes = 16 << 20 // of all
)

// What an instruction takes in the library's machines (there are two of most expressions), and what each number of a class does.
const (
	costOfInstruction = 120
	costOfNumber      = 4
	costOfAny         = 500
)

// anyCharacter lets "." stand for a line break as well: a decoded path may hold one, and must not get round a rule by it.
const anyCharacter = "(?s)"

// regex reads a regular expression, and the names of its groups. Of one that is wrong the groups are those that it seems to have, so
// that what is wrong with it is said once.
func (c *checker) regex(n node, s string) (*regexp.Regexp, []string) {
	switch {
	case s == "":
		c.wrong(n, `empty, which fits every path: want a regular expression such as '^/blog/', or leave it out`)
		return nil, nil
	case len(s) > maxRegex:
		c.wrong(n, fmt.Sprintf("a regular expression of %d bytes: want at most %d", len(s), maxRegex))
		return nil, seemingGroups(s[:maxRegex])
	case c.regexes > maxRegexes:
		return nil, seemingGroups(s) // that is said already
	}
	c.regexes += toParse(s)
	if c.regexes > maxRegexes {
		c.wrong(n, fmt.Sprintf("with this, the regular expressions take more than %d MiB of memory to match: use fewer, or path", maxRegexes>>20))
		return nil, seemingGroups(s)
	}
	parsed, err := syntax.Parse(s, syntax.Perl|syntax.DotNL)
	if err != nil {
		offset, message := notRegex(s, err)
		at, _ := n.inside(offset)
		c.add(at, func() string {
			return fmt.Sprintf("%s = %s: %s: %s", n.label(), printable.Quote(s), n.atCharacter(offset), plain(message, maxMessage))
		})
		return nil, seemingGroups(s)
	}
	cost := machine(parsed)
	c.regexes += min(cost, maxMachine)
	if cost > maxMachine {
		c.wrong(n, fmt.Sprintf("takes about %d KiB of memory to match: want at most %d KiB; use smaller repetitions", cost>>10, maxMachine>>10))
		return nil, seemingGroups(s)
	}
	if c.regexes > maxRegexes {
		c.wrong(n, fmt.Sprintf("with this, the regular expressions take more than %d MiB of memory to match: use fewer, or path", maxRegexes>>20))
		return nil, seemingGroups(s)
	}
	compiled, err := regexp.Compile(anyCharacter + s)
	if err != nil {
		c.wrong(n, plain(err.Error(), maxMessage)) // the parser has taken it, so this does not happen
		return nil, seemingGroups(s)
	}
	var groups []string
	for _, name := range compiled.SubexpNames() {
		if name == "" {
			continue
		}
		if template.Reserved(name) {
			c.wrongInside(n, max(0, strings.Index(s, "<"+name+">")+1), fmt.Sprintf("the group %q has the name of a placeholder: give it another", name))
		}
		if slices.Contains(groups, name) {
			c.wrongInside(n, strings.LastIndex(s, "<"+name+">")+1, fmt.Sprintf("the group %q is there twice: give one of them another name", name))
		}
		groups = append(groups, name)
	}
	return compiled, groups
}

// toParse returns what parsing costs that is not to be seen from the result: of each class of Unicode and, where case does not count, of
// each range that may span all of it, for which the parser looks at every character.
func toParse(s string) int {
	const ofClass, ofRange = 8 << 10, 256 << 10
	cost := costOfAny + ofClass*(strings.Count(s, `\p`)+strings.Count(s, `\P`))
	wide := strings.Contains(s, `\x`) || strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
	if wide && foldsCase.MatchString(s) {
		cost += ofRange * strings.Count(s, "-")
	}
	return cost
}

var foldsCase = regexp.MustCompile(`\(\?[a-zA-Z]*i`)

// machine returns about how many bytes the library needs for an expression.
func machine(re *syntax.Regexp) int {
	cost := costOfInstruction
	switch re.Op {
	case syntax.OpCharClass:
		cost += costOfNumber * len(re.Rune)
	case syntax.OpLiteral:
		cost += costOfInstruction * len(re.Rune)
	}
	for _, sub := range re.Sub {
		cost += machine(sub)
	}
	if re.Op == syntax.OpRepeat {
		cost *= max(1, re.Min, re.Max)
	}
	return cost
}

// notRegex says what is wrong with an expression, and where.
func notRegex(s string, err error) (offset int, message string) {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return 0, err.Error()
	}
	const want = "; want a regular expression in RE2 syntax"
	switch e.Code {
	case syntax.ErrMissingParen:
		unclosed, _ := parens(s)
		return unclosed, `"(" without its ")": add it, or write "\(" for the character itself`
	case syntax.ErrUnexpectedParen:
		_, unopened := parens(s)
		return unopened, `")" without its "(": write "\)" for the character itself`
	case syntax.ErrMissingBracket:
		return max(0, len(s)-len(e.Expr)), `"[" without its "]": add it, or write "\[" for the character itself`
	case syntax.ErrTrailingBackslash:
		return len(s) - 1, `a backslash with nothing behind it: write "\\" for the character itself`
	case syntax.ErrInvalidRepeatSize:
		return partAt(s, e), printable.Quote(e.Expr) + " repeats too often: want at most 1000 times in all"
	case syntax.ErrMissingRepeatArgument:
		return partAt(s, e), printable.Quote(e.Expr) + " with nothing before it to repeat: write a backslash before it for the character itself"
	case syntax.ErrInvalidPerlOp, syntax.ErrInvalidNamedCapture:
		if looking := aLook.FindString(e.Expr); looking != "" {
			return partAt(s, e), printable.Quote(looking) + " is not taken, nor is any look-ahead or look-behind: use several conditions, and not = { … }"
		}
	case syntax.ErrInvalidEscape:
		if len(e.Expr) == 2 && '1' <= e.Expr[1] && e.Expr[1] <= '9' {
			return partAt(s, e), printable.Quote(e.Expr) + " is not taken: there are no references to groups" + want
		}
	case syntax.ErrLarge, syntax.ErrNestingDepth:
		return 0, string(e.Code) + ": use a simpler one"
	}
	return partAt(s, e), string(e.Code) + ": " + printable.Quote(e.Expr) + want
}

// partAt returns where in s the part is that the error names. The library does not say which of several it means: the one with which
// the error is there already when everything behind it is not.
func partAt(s string, e *syntax.Error) int {
	const most = 4
	first := max(0, strings.Index(s, e.Expr))
	for at, n := first, 0; e.Expr != "" && n < most; n++ {
		if _, err := syntax.Parse(s[:at+len(e.Expr)], syntax.Perl); same(err, e) {
			return at
		}
		next := strings.Index(s[at+1:], e.Expr)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return first
}

func same(err error, e *syntax.Error) bool {
	other, ok := errors.AsType[*syntax.Error](err)
	return ok && *other == *e
}

// parens returns where the last "(" stands that is not closed, and the first ")" that closes nothing; 0 where there is none.
func parens(s string) (unclosed, unopened int) {
	var open []int
	found := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			i = classEnd(s, i)
		case '(':
			open = append(open, i)
		case ')':
			switch {
			case len(open) > 0:
				open = open[:len(open)-1]
			case !found:
				unopened, found = i, true
			}
		}
	}
	if len(open) > 0 {
		unclosed = open[len(open)-1]
	}
	return unclosed, unopened
}

// classEnd returns where the class ends that begins at a byte of s.
func classEnd(s string, at int) int {
	i := at + 1
	if strings.HasPrefix(s[i:], "^") {
		i++
	}
	if strings.HasPrefix(s[i:], "]") { // for itself
		i++
	}
	for ; i < len(s) && s[i] != ']'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i
}

var aLook = regexp.MustCompile(`^\(\?<?[=!]`)

var aGroup = regexp.MustCompile(`\(\?P?<(\w+)>`)

// seemingGroups returns what look like names of groups.
func seemingGroups(s string) []string {
	var names []string
	for _, m := range aGroup.FindAllStringSubmatch(s, -1) {
		names = append(names, m[1])
	}
	return names
}
