package migrate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/minapp-go/minapp"
)

// buckets is how many groups a digest sorts rows into. Twelve million rows are
// 12,000 in each: what has to be compared row by row if one of them differs.
const buckets = 1024

// digest is a fingerprint of a set of rows, whatever their order: in each
// bucket the number of rows and the sum of their hashes.
type digest struct {
	counts  [buckets]uint64
	sums    [buckets]uint64
	columns map[string]bool // that rows have named
}

func newDigest() *digest { return &digest{columns: make(map[string]bool)} }

// add takes a row in.
func (d *digest) add(r plain) {
	b := r.bucket()
	d.counts[b]++
	d.sums[b] += r.hash
}

// join takes the rows of another digest in.
func (d *digest) join(other *digest) {
	for b := range buckets {
		d.counts[b] += other.counts[b]
		d.sums[b] += other.sums[b]
	}
	maps.Copy(d.columns, other.columns)
}

func (d *digest) rows() int64 {
	n := uint64(0)
	for _, c := range d.counts {
		n += c
	}
	return int64(n)
}

// differing lists the buckets in which two digests differ, and about how many
// rows these have.
func (d *digest) differing(other *digest) (which map[int]bool, rows int64) {
	which = make(map[int]bool)
	for b := range buckets {
		if d.counts[b] != other.counts[b] || d.sums[b] != other.sums[b] {
			which[b] = true
			rows += int64(max(d.counts[b], other.counts[b]))
		}
	}
	return which, rows
}

// digestJSON is a digest in a checkpoint.
type digestJSON struct {
	Columns []string `json:"columns"`
	Buckets string   `json:"buckets"` // base64: for each the count and the sum, 8 bytes each
}

func (d *digest) MarshalJSON() ([]byte, error) {
	data := make([]byte, 0, 16*buckets)
	for b := range buckets {
		data = binary.BigEndian.AppendUint64(data, d.counts[b])
		data = binary.BigEndian.AppendUint64(data, d.sums[b])
	}
	return json.Marshal(digestJSON{slices.Sorted(maps.Keys(d.columns)), base64.StdEncoding.EncodeToString(data)})
}

func (d *digest) UnmarshalJSON(text []byte) error {
	var in digestJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	data, err := base64.StdEncoding.DecodeString(in.Buckets)
	if err != nil || len(data) != 16*buckets {
		return errors.New("the digest is damaged")
	}
	*d = *newDigest()
	for b := range buckets {
		d.counts[b] = binary.BigEndian.Uint64(data[16*b:])
		d.sums[b] = binary.BigEndian.Uint64(data[16*b+8:])
	}
	for _, c := range in.Columns {
		d.columns[c] = true
	}
	return nil
}

// plain is a row in a form that is the same however it is written.
type plain struct {
	name string // the key, or all of the row where there is none
	hash uint64 // of the whole row
	raw  json.RawMessage
}

func (r plain) bucket() int { return int(hashOf(r.name) % buckets) }

// newPlain reads a row. Only the columns that are known count; nil knows all of
// them and learns.
func newPlain(raw json.RawMessage, key string, known map[string]bool, learn bool) (plain, error) {
	var row minapp.Fields
	if err := row.UnmarshalJSON(raw); err != nil {
		return plain{}, err
	}
	for column, v := range row {
		switch {
		case column == "id" || column == "_id" || v == nil || !learn && !known[column]:
			delete(row, column)
		case learn:
			known[column] = true
		}
	}
	name := ""
	if key != "" {
		text, err := keyText(row, key)
		if err != nil {
			return plain{}, err
		}
		name = text
	}
	text, err := json.Marshal(plainValue(map[string]any(row)))
	if err != nil {
		return plain{}, fmt.Errorf("the row cannot be compared: %w", err)
	}
	if key == "" {
		name = string(text)
	}
	return plain{name, hashOf(string(text)), raw}, nil
}

// hashOf is cryptographic because hashes are added up: with a plain one, such as
// FNV, two rows that have swapped their values often have the same sum.
func hashOf(text string) uint64 {
	h := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(h[:])
}

// plainValue is a value in a form that is the same for values that
// minapp.Differences holds for equal: numbers by value (plainNumber), moments in UTC to the
// millisecond, rows and files by id. It is coarse where it has to be: what
// differs is compared again row by row.
func plainValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(v)
	case string:
		if at, ok := momentOf(v); ok {
			return at.UTC().Round(time.Millisecond).Format(time.RFC3339Nano)
		}
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plainValue(e)
		}
		return list
	case map[string]any:
		return plainObject(v)
	}
	return v
}

func plainObject(members map[string]any) any {
	_, row := members["_table"]
	_, file := members["cdn_path"]
	if id := members["id"]; (row || file) && id != nil {
		return plainValue(id)
	}
	object := make(map[string]any, len(members))
	for name, v := range members {
		object[name] = plainValue(v)
	}
	return object
}

// plainNumber compares as minapp.Differences does: whole numbers exactly, others
// as doubles.
func plainNumber(n json.Number) json.Number {
	if i, err := n.Int64(); err == nil {
		return json.Number(strconv.FormatInt(i, 10))
	}
	x, ok := new(big.Float).SetPrec(256).SetString(string(n))
	switch {
	case !ok || x.IsInf() || x.MantExp(nil) > 1024: // no double holds it
		return n
	case x.IsInt() && x.MantExp(nil) <= 63:
		i, _ := x.Int64()
		return json.Number(strconv.FormatInt(i, 10))
	case x.IsInt():
		return json.Number(x.Text('g', -1))
	}
	f, _ := x.Float64()
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}
