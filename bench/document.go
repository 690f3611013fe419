package main

import (
	"bytes"
	"fmt"
	"os"
)

// The markers of the part of a document that --out replaces.
const (
	beginMark = "<!-- bench -->\n"
	endMark   = "<!-- end of bench -->\n"
)

// checkDocument returns what is wrong with a document that is to get the table.
func checkDocument(path string) error {
	document, err := os.ReadFile(path)
	if err == nil {
		_, err = between(document, "")
	}
	if err != nil {
		return fmt.Errorf("cannot write the table into %s: %w", path, err)
	}
	return nil
}

// writeDocument puts the text between the markers of a document.
func writeDocument(path, text string) error {
	document, err := os.ReadFile(path)
	if err == nil {
		document, err = between(document, text)
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
func between(document []byte, text string) ([]byte, error) {
	before, rest, begins := bytes.Cut(document, []byte(beginMark))
	_, after, ends := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends || bytes.Contains(after, []byte(beginMark)) {
		return nil, fmt.Errorf("want one line %q and, below it, a line %q", beginMark[:len(beginMark)-1], endMark[:len(endMark)-1])
	}
	return fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, beginMark, text, endMark, after), nil
}
