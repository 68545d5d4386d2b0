package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

const scrubbed = "scrubbed"

// person is the id that stands for everybody, as in the documented exchanges.
const person = json.Number("1234")

var (
	secretNames  = regexp.MustCompile(`(?i)token|secret|password|cookie|session|signature|authorization|api_?key`)
	personNames  = regexp.MustCompile(`(?i)^(created_by|updated_by|owner|user|user_id|uid)$`)
	personalData = regexp.MustCompile(`(?i)^(nickname|avatar|username|_username|email|_email|phone|_phone|openid|unionid|country|province|city|gender)$`)
	personOfPerm = regexp.MustCompile(`^user:\d+$`)
	digest       = regexp.MustCompile(`(?i)\b[0-9a-f]{40,}\b`)
)

// scrubber replaces what is nobody's business. What the documented exchange
// holds is public, and stays.
type scrubber struct {
	public  map[string]bool // every text and number of the documented exchange
	secrets []string
	names   *strings.Replacer // what the service calls things to what the documents call them
}

// value scrubs one value that stands under a name.
func (s scrubber) value(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for member, inner := range v {
			switch {
			case personNames.MatchString(name) && member == "id":
				v[member] = s.person(inner)
			default:
				v[member] = s.value(member, inner)
			}
		}
	case []any:
		for i, inner := range v {
			v[i] = s.value(name, inner)
		}
	case json.Number:
		if personNames.MatchString(name) {
			return s.person(v)
		}
	case string:
		return s.text(name, v)
	}
	return v
}

func (s scrubber) person(v any) any {
	switch id := v.(type) {
	case json.Number:
		if !s.public[id.String()] {
			return person
		}
	case string:
		if !s.public[id] {
			return person.String()
		}
	}
	return v
}

// leaves adds every text and number of a tree.
func leaves(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			leaves(inner, into)
		}
	case []any:
		for _, inner := range v {
			leaves(inner, into)
		}
	case json.Number:
		into[v.String()] = true
	case string:
		into[v] = true
	}
}

func (s scrubber) text(name, text string) string {
	text = s.names.Replace(text)
	if text == "" || s.public[text] {
		return text
	}
	switch {
	case secretNames.MatchString(name), personalData.MatchString(name):
		return scrubbed
	case personNames.MatchString(name):
		return person.String()
	case personOfPerm.MatchString(text):
		return "user:" + person.String()
	}
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, scrubbed)
	}
	if strings.Contains(text, "://") {
		if address, _, signed := strings.Cut(text, "?"); signed {
			text = address + "?" + scrubbed
		}
	}
	return digest.ReplaceAllString(text, scrubbed)
}

// body scrubs a whole answer. What is not JSON, such as the page of a gateway,
// has no place in an exchange.
func (s scrubber) body(data []byte) (json.RawMessage, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	tree, err := decode(data)
	if err != nil {
		return nil, err
	}
	return encode(s.value("", tree))
}

func decode(data []byte) (any, error) {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return tree, dec.Decode(&tree)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

func contains(text []byte, secret string) bool { return bytes.Contains(text, []byte(secret)) }
