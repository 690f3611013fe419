package main

import (
	"bytes"
	"fmt"
	"os"
)

// marks returns the markers of the part of a document that --out replaces. A document may have several, each with its name.
func marks(name string) (begin, end string) {
	return "<!-- " + name + " -->\n", "<!-- end of " + name + " -->\n"
}

// checkDocument returns what is wrong with a document that is to get the table.
func checkDocument(path, name string) error {
	document, err := os.ReadFile(path)
	if err == nil {
		_, err = between(document, name, "")
	}
	if err != nil {
		return fmt.Errorf("cannot write the table into %s: %w", path, err)
	}
	return nil
}

// writeDocument puts the text between the markers of that name in a document.
func writeDocument(path, name, text string) error {
	document, err := os.ReadFile(path)
	if err == nil {
		document, err = between(document, name, text)
	}
	if err == nil {
		err = os.WriteFile(path, document, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the table into %s: %w", path, err)
	}
	return nil
}

// between returns the document with another text between its markers.
func between(document []byte, name, text string) ([]byte, error) {
	beginMark, endMark := marks(name)
	before, rest, begins := bytes.Cut(document, []byte(beginMark))
	_, after, ends := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends || bytes.Contains(after, []byte(beginMark)) {
		return nil, fmt.Errorf("want one line %q and, below it, a line %q", beginMark[:len(beginMark)-1], endMark[:len(endMark)-1])
	}
	return fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, beginMark, text, endMark, after), nil
}
