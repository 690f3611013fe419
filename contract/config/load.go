package config

import (
	"encoding/hex"
	"fmt"
	"os"

	"section.internal/contract/place"
)

// Loaded is a configuration that was read from a directory, and found right.
type Loaded struct {
	Config Config
	Values []Value // of all keys but those of rules and tests, in the order of the manual
	Hash   string  // a short fingerprint of all that was read; an empty or missing file has one too
}

// Value is one effective setting.
type Value struct {
	Key    string // table.key
	Value  string // as it would be written in the file
	Source string // "default" or file:line:column of the value
}

// SourceDefault is the Source of a value that the file does not set.
const SourceDefault = "default"

// Load reads the configuration of a directory: its file, and the files that that names. It looks at nothing else: not at the network,
// not at the clock. A directory or file that does not exist stands for the defaults. The error is of type Problems and holds
// everything that is wrong.
func Load(dir string) (*Loaded, error) {
	root, problem := openDir(dir)
	if problem != nil {
		return nil, Problems{*problem}
	}
	if root == nil {
		return load(nil, nil)
	}
	defer root.Close()
	content, problem := readIn(root, place.ConfigFileName, maxFile)
	if problem != nil {
		return nil, Problems{*problem}
	}
	return load(content, root)
}

// load checks the content of the file. The files that it names are below root, which is nil when there is no directory.
func load(content []byte, root *os.Root) (*Loaded, error) {
	tree, places, problem := parse(content)
	if problem != nil {
		return nil, Problems{*problem}
	}
	files := newFiles(root)
	c, sources, problems := check(tree, places, files)
	if len(problems) > 0 {
		return nil, problems
	}
	sum := files.hash(content)
	return &Loaded{Config: c, Values: values(&c, sources), Hash: hex.EncodeToString(sum[:6])}, nil
}

// values lists every key with its value and where that comes from.
func values(c *Config, sources map[string]position) []Value {
	list := make([]Value, len(keys))
	for i, k := range keys {
		list[i] = Value{Key: k.name, Value: k.value(c), Source: SourceDefault}
		if p, ok := sources[k.name]; ok {
			list[i].Source = fmt.Sprintf("%s:%d:%d", place.ConfigFileName, p.line, p.column)
		}
	}
	return list
}
