// Package rows cuts a page of records into its rows without decoding them.
//
// A page is {"meta":{…},"objects":[{…},{…}]}. Reading twelve million rows to
// pass them on, or to look at one member of each, should not cost building
// twelve million values. The functions here find where values begin and end,
// and return slices of the buffer they were given; nothing is copied.
//
// What they return has its capacity cut to its length, so that an append by
// whoever holds one row cannot write into the next.
//
// # What is checked
//
// Brackets are balanced and of the right kind, strings end, and members and
// elements are separated as they must be wherever these functions look at
// them: in the page, in objects, and in the object given to Member. Nothing is
// cut off, and nothing follows the page. Inside the values that are returned,
// only brackets and strings are looked at: a row may still be wrong JSON, which
// whoever decodes it finds out, for that row alone.
//
// Nesting costs one byte a level and no recursion, and is limited to 10,000
// levels, as in encoding/json.
package rows

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Page is one page of records, as slices of the page's buffer.
type Page struct {
	Meta    json.RawMessage   // nil if the page has none
	Objects json.RawMessage   // the list of rows
	Rows    []json.RawMessage // what is in Objects, never nil
}

// Split cuts a page into its meta and its rows.
//
// The members may come in any order and be written in any way JSON allows; of
// two of one name the last counts; others are ignored. Names are matched
// exactly. A page without objects, or whose objects are not a list, is an
// error, because an answer that is not a page must not read as the end of the
// data. Rows may be of any JSON type. The error names the offset.
//
// Source: open-api/data/record.md.
func Split(page []byte) (Page, error) {
	var out Page
	s := scanner{data: page}
	err := s.document(func(name []byte) (err error) {
		switch string(name) {
		case "objects":
			s.peek() // up to the bracket
			start := s.pos
			out.Rows, err = s.elements()
			out.Objects = s.data[start:s.pos:s.pos]
		case "meta":
			out.Meta, err = s.value()
		default:
			_, err = s.value()
		}
		return err
	})
	if err == nil && out.Rows == nil {
		err = errors.New("no objects")
	}
	if err != nil {
		return Page{}, fmt.Errorf("rows: not a page: %w", err)
	}
	return out, nil
}

// List cuts a list into its elements, as slices of its buffer.
func List(list []byte) ([]json.RawMessage, error) {
	s := scanner{data: list}
	s.peek()
	elements, err := s.elements()
	if err == nil && elements == nil {
		err = errors.New("no list")
	}
	if err != nil {
		return nil, fmt.Errorf("rows: not a list: %w", err)
	}
	return elements, nil
}

// Member returns the value of one member of an object, undecoded.
//
// Only the object's own members are looked at. Names are matched exactly; of
// two of one name the last counts. ok is false if there is no such member, or
// if data is not one well-formed object.
func Member(object []byte, name string) (raw []byte, ok bool) {
	s := scanner{data: object}
	err := s.document(func(found []byte) error {
		value, err := s.value()
		if string(found) == name {
			raw = value
		}
		return err
	})
	if err != nil {
		return nil, false
	}
	return raw, raw != nil
}
