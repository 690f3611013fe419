package config

import (
	"slices"
	"strings"
	"testing"
)

func TestRuleKeys_EveryRowIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range slices.Concat(nested, tested) {
		if seen[table.name] || table.doc == "" || strings.HasSuffix(table.doc, ".") {
			t.Errorf("the table %s is not complete, or there twice", table.name)
		}
		seen[table.name] = true
		names := map[string]bool{}
		for _, k := range table.keys {
			name := table.name + "." + k.name
			if k.doc == "" || strings.HasSuffix(k.doc, ".") || names[k.name] {
				t.Errorf("%s: the row is not complete, or there twice", name)
			}
			names[k.name] = true
			if (k.of != "") != (k.kind == kindTable) || k.of != "" && nestedTable(k.of) == nil {
				t.Errorf("%s is of the table %q", name, k.of)
			}
			if k.sample() == "" && k.kind != kindChoice {
				t.Errorf("%s has no example", name)
			}
			if k.kind == kindCount && k.max == 0 || k.required && k.without != "" {
				t.Errorf("%s: %+v", name, k)
			}
		}
	}
}

// TestRuleKeys_EveryExampleIsTaken puts the example of each key into the smallest rule or test that may have it.
func TestRuleKeys_EveryExampleIsTaken(t *testing.T) {
	dir := tree(t, map[string]string{"pages/maintenance.html": "a", "lists/office.txt": ""})
	write := func(lines ...string) {
		t.Helper()
		text := strings.Join(lines, "\n")
		replace(t, dir, text)
		if _, err := Load(dir); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	const rule, test, oldBlog = "[[rule]]\nname='r'", "[[test]]\nname='t'", "[[rule]]\nname='old blog'\norigin='x'"
	// What must stand beside the key for its table to be right.
	beside := map[string]map[string]string{
		"rule":          {"match": "origin='x'", "name": "origin='x'"},
		"split":         {"name": "variants={a=1}", "by": "name='s'\nvariants={a=1}", "variants": "name='s'"},
		"limit":         {"requests": "per='1s'", "per": "requests=1", "by": "requests=1\nper='1s'", "burst": "requests=1\nper='1s'"},
		"redirect":      {"status": "to='/'"},
		"respond":       {"body": "status=200", "file": "status=200", "headers": "status=200", "content_type": "status=200\nbody='a'"},
		"test":          {"name": "request.url='http://a'\nexpect.status=200", "request": "expect.status=200", "expect": "request.url='http://a'", "response": "request.url='http://a'\nexpect.status=200"},
		"test.request":  {"method": "url='http://a'", "headers": "url='http://a'", "client": "url='http://a'"},
		"test.expect":   {},
		"test.upstream": {},
	}
	above := map[string][]string{
		"match": {rule, "origin='x'", "[rule.match]"}, "geo": {rule, "origin='x'", "[rule.match.geo]"}, "changes": {rule, "[rule.response]"},
		"rewrite": {rule, "[rule.rewrite]"}, "split": {rule, "[rule.split]"}, "limit": {rule, "[rule.limit]"}, "redirect": {rule, "[rule.redirect]"},
		"respond": {rule, "[rule.respond]"}, "test.request": {test, "expect.status=200", "[test.request]"},
		"test.response": {test, "expect.status=200", "request.url='http://a'", "[test.response]"},
		"test.expect":   {oldBlog, test, "request.url='http://a'", "[test.expect]"},
		"test.upstream": {test, "request.url='http://a'", "[test.expect.upstream]"},
		"rule":          {"[[rule]]"}, "test": {oldBlog, "[[test]]"},
	}
	for _, table := range slices.Concat(nested, tested) {
		for _, k := range table.keys {
			lines := slices.Clone(above[table.name])
			if k.name != "name" && (table.name == "rule" || table.name == "test") {
				lines = append(lines, "name='n'")
			}
			examples := []string{k.sample()}
			if k.kind == kindChoice {
				examples = strings.Split(k.accepted(), ", ")
			}
			if k.many && k.names == "" {
				examples = append(examples, "["+examples[0]+"]")
			}
			for _, example := range examples {
				write(append(slices.Clone(lines), beside[table.name][k.name], k.name+" = "+example)...)
			}
		}
	}
}
