package config

import (
	"bytes"
	"encoding/json"
	"testing"
)

// What files fit the schema, and which do not, is held by e2e/schema.
func TestSchema_IsWhatItWas(t *testing.T) {
	golden(t, "testdata/schema.json", Schema())
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("two calls give two schemas")
	}
}

func TestSchema_DescribesEveryKey(t *testing.T) {
	var schema struct {
		Properties map[string]struct{ Properties map[string]any }
		Defs       map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	must(t, json.Unmarshal(Schema(), &schema))
	for _, k := range keys {
		if k.table() == "" {
			continue
		}
		if _, ok := schema.Properties[k.table()].Properties[k.name[len(k.table())+1:]]; !ok {
			t.Errorf("%s is not in the schema", k.name)
		}
	}
	for _, tables := range [][]table{nested, tested} {
		for _, table := range tables {
			for _, k := range table.keys {
				if schema.Defs[table.name].Properties[k.name].Description == "" {
					t.Errorf("%s.%s is not in the schema", table.name, k.name)
				}
			}
		}
	}
}
