package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestKeys_EveryFieldOfConfigHasExactlyOneKey(t *testing.T) {
	var c Config
	for i, k := range keys {
		taken := false
		switch {
		case k.many:
			taken = *k.list(&c) != nil
			*k.list(&c) = []string{k.name}
		case k.kind == kindSwitch:
			taken = *k.flag(&c)
			*k.flag(&c) = true
		case k.kind == kindChoice:
			taken = *k.text(&c) != ""
			*k.text(&c) = k.name
		default:
			taken = *k.number(&c) != 0
			*k.number(&c) = int64(i + 1)
		}
		if taken {
			t.Errorf("%s has the field of another key", k.name)
		}
	}
	fields := 0
	count := func(name string, v reflect.Value) {
		fields++
		if v.IsZero() {
			t.Errorf("%s has no key", name)
		}
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		name, v := reflect.TypeFor[Config]().Field(i).Name, reflect.ValueOf(c).Field(i)
		switch {
		case name == "Rules" || name == "Tests": // they have tables of keys of their own
		case v.Kind() != reflect.Struct:
			count(name, v)
		default:
			for i := range v.NumField() {
				count(name+"."+v.Type().Field(i).Name, v.Field(i))
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
		if k.doc == "" || strings.HasSuffix(k.doc, ".") || (k.unit != "") != (k.kind == kindCount) {
			t.Errorf("%s: the row is not complete: %+v", k.name, k)
		}
		values := []string{k.value(&d), k.example()}
		bounded := false
		switch k.kind {
		case kindChoice:
			for _, choice := range k.choices {
				values = append(values, `"`+choice+`"`)
			}
		case kindSwitch:
			values = append(values, "true", "false")
		case kindDuration, kindSize, kindCount:
			bounded = true
			values = append(values, k.format(k.min), k.format(k.max))
		}
		for _, v := range values {
			if _, err := load([]byte(k.name+" = "+v), nil); err != nil {
				t.Error(err)
			}
		}
		if !bounded {
			continue
		}
		for _, n := range []int64{k.min - 1, k.max + 1} {
			if _, err := load([]byte(k.name+" = "+k.format(n)), nil); err == nil {
				t.Errorf("%s = %s is beyond its bounds and taken", k.name, k.format(n))
			}
		}
	}
}

func TestValues_WrittenIntoAFileLoadAsTheSameConfiguration(t *testing.T) {
	cases(t, "good", 8, func(t *testing.T, _, dir string) {
		loaded, err := Load(dir)
		must(t, err)
		loaded.Config.Rules, loaded.Config.Tests = nil, nil // values are those of the other tables
		again, err := load([]byte(written(loaded.Values)), nil)
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
