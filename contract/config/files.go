package config

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"

	"section.internal/contract/place"
	"section.internal/contract/printable"
)

// The bounds of what proxy.toml names.
const (
	maxNamed    = 1 << 20  // bytes of a file
	maxAllNamed = 16 << 20 // of all files together
	maxFiles    = 1000     // files
	maxListed   = 400_000  // networks in all, counting those of a file once for each combination of lists it is in
)

// files are those that proxy.toml names, each read once.
type files struct {
	root  *os.Root // nil: there is no directory, and so no file
	read  map[string]*file
	order []*file // those that were read, in the order in which they are named
	bytes int     // of all of them

	lists    map[string][]netip.Prefix // by the names of one or more files
	listed   int                       // networks in lists
	networks []netip.Prefix            // room to read a list into
}

// file is one that proxy.toml names.
type file struct {
	name    string
	number  int // from 1
	content []byte
	message string // why it cannot be used; "" when it can
	list    []netip.Prefix
	isList  bool // list is filled
}

func newFiles(root *os.Root) *files {
	return &files{root: root, read: map[string]*file{}, lists: map[string][]netip.Prefix{}}
}

// name returns the name of a file by its number, as a problem has it.
func (f *files) name(number int) string { return plain(f.order[number-1].name, 4096) }

// names returns the names of all files that were read, sorted.
func (f *files) names() []string {
	var names []string
	for _, file := range f.order {
		names = append(names, file.name)
	}
	slices.Sort(names)
	return names
}

// hash returns the fingerprint of proxy.toml and of all files that it names.
func (f *files) hash(content []byte) [sha256.Size]byte {
	sum := sha256.Sum256(content)
	if len(f.order) == 0 {
		return sum
	}
	all := sum[:]
	for _, name := range f.names() {
		one := sha256.Sum256(f.read[name].content)
		all = append(append(append(all, name...), 0), one[:]...)
	}
	return sha256.Sum256(all)
}

// file reads the name of a file, and the file. nil: something is wrong with it.
func (c *checker) file(n node, name string) *file {
	if message := notFileName(name); message != "" {
		c.wrong(n, message)
		return nil
	}
	name = path.Clean(name)
	f, known := c.files.read[name]
	if !known {
		if len(c.files.order) == maxFiles {
			c.wrong(n, fmt.Sprintf("more than %d files are named: use fewer", maxFiles))
			return nil
		}
		f = &file{name: name, number: len(c.files.order) + 1}
		f.content, f.message = c.files.open(name)
		c.files.read[name] = f
		c.files.order = append(c.files.order, f)
	}
	switch {
	case f.message != "":
		c.add(n.entry.value, func() string {
			return fmt.Sprintf("%s = %s: %s", n.label(), printable.Quote(name), f.message)
		})
		return nil
	case f.content == nil:
		c.add(n.entry.value, func() string {
			return fmt.Sprintf("%s = %s: there is no such file in the directory: add it, or name one that is there%s",
				n.label(), printable.Quote(name), c.didYouMean(name, c.files.beside(name)))
		})
		return nil
	}
	return f
}

// notFileName says what is wrong with the name of a file; "" when nothing is.
func notFileName(name string) string {
	switch {
	case name == "":
		return `empty: want the name of a file in the directory, such as "pages/maintenance.html"`
	case len(name) > 1024:
		return "longer than 1024 bytes: want a shorter name"
	case strings.HasPrefix(name, "/"):
		message := "an absolute name: want one relative to the directory of " + place.ConfigFileName
		if below, ok := strings.CutPrefix(name, place.ConfigDir.Default+"/"); ok && notFileName(below) == "" {
			message += fmt.Sprintf("; did you mean %q?", printable.Cut(below, maxShown))
		}
		return message
	case slices.Contains(strings.Split(name, "/"), ".."):
		return `leads out of the directory: want a name without ".."`
	case strings.HasSuffix(name, "/") || path.Clean(name) == ".":
		return "a directory: want the name of a file in it"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return `want the name of a file without control characters and backslashes; "/" parts directories`
	case path.Clean(name) == place.ConfigFileName:
		return "is this file itself: want another one"
	}
	return ""
}

// open returns the content of a file, or why it cannot be used; neither when there is no such file.
func (f *files) open(name string) (content []byte, message string) {
	if f.root == nil {
		return nil, ""
	}
	tooLarge := fmt.Sprintf("with this file, those that are named are larger than %d MiB together: use fewer or smaller ones", maxAllNamed>>20)
	if f.bytes > maxAllNamed {
		return nil, tooLarge
	}
	content, problem := readIn(f.root, name, maxNamed)
	if problem != nil {
		return nil, problem.Message
	}
	if f.bytes += len(content); f.bytes > maxAllNamed {
		return nil, tooLarge
	}
	return content, ""
}

// beside returns the names of files in the directory of name that somebody may have meant.
func (f *files) beside(name string) []string {
	if f.root == nil {
		return nil
	}
	dir, err := f.root.Open(path.Dir(name))
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(200) // as many as come; the search is bounded
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, path.Join(path.Dir(name), e.Name()))
		}
	}
	return names
}
