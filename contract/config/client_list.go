package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"section.internal/contract/printable"
)

// maxEntries is how many addresses and networks one list may have.
const maxEntries = 100_000

// clientLists reads the files that a match names. Rules that name the same files share one slice.
func (c *checker) clientLists(k *key, n node) []netip.Prefix {
	var lists []*file
	var names []string
	c.texts(k, n, func(s string, n node) {
		if f := c.clientList(n, s); f != nil {
			lists, names = append(lists, f), append(names, f.name)
		}
	})
	if len(lists) == 1 {
		return lists[0].list
	}
	together := strings.Join(names, "\x00")
	networks, known := c.files.lists[together]
	if !known {
		for _, f := range lists {
			c.files.listed += len(f.list)
		}
		if c.files.listed > maxListed {
			c.wrongTable(n, fmt.Sprintf("names more than %d addresses and networks, with those of the lists above: put what belongs together into one list", maxListed))
			return nil
		}
		for _, f := range lists {
			networks = append(networks, f.list...)
		}
		c.files.lists[together] = networks
	}
	return networks
}

// clientList reads one list. What is wrong in it is kept when it is read first.
func (c *checker) clientList(n node, name string) *file {
	f := c.file(n, name)
	if f == nil || f.isList {
		return f
	}
	f.isList = true
	content := bytes.TrimPrefix(f.content, []byte(byteOrderMark))
	if offset, message := notText(string(content)); message != "" {
		c.addIn(f.number, positionOf(string(content), offset), func() string { return message })
		return f
	}
	if c.files.listed > maxListed {
		return f // that is said already
	}
	networks := c.files.networks[:0]
	var at position
	wrong := 0
	for line := range strings.SplitSeq(string(content), "\n") {
		at.line++
		entry, _, _ := strings.Cut(line, "#")
		indented := strings.TrimRight(entry, " \t\r")
		entry = strings.TrimLeft(indented, " \t")
		if entry == "" {
			continue
		}
		at.column = int32(utf8.RuneCountInString(indented[:len(indented)-len(entry)])) + 1
		if len(networks) == maxEntries {
			c.addIn(f.number, at, func() string {
				return fmt.Sprintf("more than %d addresses and networks in one list: use fewer", maxEntries)
			})
			break
		}
		network, message := netip.Prefix{}, ""
		if network, message = parseNetwork(entry); message != "" {
			if wrong++; wrong > maxProblems {
				c.addIn(f.number, at, func() string {
					return fmt.Sprintf("more than %d lines of this file are no addresses or networks: name a list of them", maxProblems)
				})
				break
			}
			c.addIn(f.number, at, func() string { return fmt.Sprintf("%s: %s", printable.Quote(entry), plain(message, maxMessage)) })
			continue
		}
		networks = append(networks, network)
	}
	c.files.networks, f.list = networks, slices.Clone(networks)
	c.files.listed += len(f.list)
	if c.files.listed > maxListed {
		c.wrong(n, fmt.Sprintf("with this list, there are more than %d addresses and networks in all: use fewer", maxListed))
	}
	return f
}

// clients reads addresses and networks.
func (c *checker) clients(k *key, n node) []netip.Prefix {
	var networks []netip.Prefix
	c.texts(k, n, func(s string, n node) {
		network, message := parseNetwork(s)
		if message != "" {
			c.wrong(n, message)
			return
		}
		networks = append(networks, network)
	})
	return networks
}
