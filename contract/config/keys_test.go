package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestKeys_EveryFieldOfConfigHasExactlyOneKey(t *testing.T) {
	var c Config
	for i, k := range keys {
		if k.kind == kindChoice {
			if *k.text(&c) != "" {
				t.Errorf("%s has the field of another key", k.name)
			}
			*k.text(&c) = k.name
			continue
		}
		if *k.number(&c) != 0 {
			t.Errorf("%s has the field of another key", k.name)
		}
		*k.number(&c) = int64(i + 1)
	}
	fields := 0
	for table := range reflect.TypeFor[Config]().NumField() {
		v := reflect.ValueOf(c).Field(table)
		for i := range v.NumField() {
			fields++
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s has no key", reflect.TypeFor[Config]().Field(table).Name, v.Type().Field(i).Name)
			}
		}
	}
	if fields != len(keys) {
		t.Errorf("%d fields, %d keys", fields, len(keys))
	}
}

func TestKeys_EveryRowIsCompleteAndTakesItsDefaultAndItsBounds(t *testing.T) {
	for _, k := range keys {
		d := Default()
		if k.doc == "" || strings.HasSuffix(k.doc, ".") || k.table() == k.name || (k.unit != "") != (k.kind == kindCount) {
			t.Errorf("%s: the row is not complete: %+v", k.name, k)
		}
		values := []string{k.value(&d), k.example()}
		if k.kind == kindChoice {
			for _, choice := range k.choices {
				values = append(values, `"`+choice+`"`)
			}
		} else {
			values = append(values, k.format(k.min), k.format(k.max))
		}
		for _, v := range values {
			if _, err := load([]byte(k.name + " = " + v)); err != nil {
				t.Error(err)
			}
		}
		if k.kind == kindChoice {
			continue
		}
		for _, n := range []int64{k.min - 1, k.max + 1} {
			if _, err := load([]byte(k.name + " = " + k.format(n))); err == nil {
				t.Errorf("%s = %s is beyond its bounds and taken", k.name, k.format(n))
			}
		}
	}
}

func TestValues_WrittenIntoAFileLoadAsTheSameConfiguration(t *testing.T) {
	cases(t, "good", 8, func(t *testing.T, _ string, content []byte) {
		loaded, err := load(content)
		must(t, err)
		again, err := load([]byte(written(loaded.Values)))
		must(t, err)
		if !reflect.DeepEqual(again.Config, loaded.Config) {
			t.Errorf("%+v became %+v", loaded.Config, again.Config)
		}
		for i, v := range again.Values {
			if v.Source == SourceDefault || v.Value != loaded.Values[i].Value {
				t.Errorf("%+v became %+v", loaded.Values[i], v)
			}
		}
	})
}

// written returns the file that sets values.
func written(values []Value) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(v.Key + " = " + v.Value + "\n")
	}
	return b.String()
}
