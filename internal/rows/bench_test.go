package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// page builds a page of n rows like those of the documentation.
func page(n int) []byte {
	var buf bytes.Buffer
	buf.WriteString(`{"meta": {"limit": 1000, "next": null, "offset": 0, "previous": null}, "objects": [`)
	for i := range n {
		if i > 0 {
			buf.WriteString(", ")
		}
		fmt.Fprintf(&buf, `{"_id": "5be3f57840507204ce72%04x", "id": "5be3f57840507204ce72%04x", `, i, i)
		buf.WriteString(`"created_by": 36395395, "created_at": 1541666168, "updated_at": 1541666168, ` +
			`"read_perm": ["user:*"], "write_perm": ["user:*"], "price": 199.0, "tags": ["a", "耳机"], ` +
			`"name": "小米无线耳机 \"Air\"", "desc": "A description of some length, with [brackets] and {braces}.", ` +
			`"customer": {"_table": "customer", "id": "5bad87ab0769797b4fb27a1b"}, ` +
			`"place": {"type": "Point", "coordinates": [113.3, 23.1]}}`)
	}
	buf.WriteString("]}")
	return buf.Bytes()
}

func BenchmarkSplit(b *testing.B) {
	data := page(1000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Split(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSplitStandard is what Split replaces.
func BenchmarkSplitStandard(b *testing.B) {
	data := page(1000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var out struct {
			Meta    json.RawMessage   `json:"meta"`
			Objects []json.RawMessage `json:"objects"`
		}
		if err := json.Unmarshal(data, &out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMember(b *testing.B) {
	row := firstRow(b)
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Member(row, "id"); !ok {
			b.Fatal("no id")
		}
	}
}

// BenchmarkMemberStandard is what Member replaces.
func BenchmarkMemberStandard(b *testing.B) {
	row := firstRow(b)
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		var out struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal(row, &out); err != nil {
			b.Fatal(err)
		}
	}
}

func firstRow(b *testing.B) []byte {
	b.Helper()
	p, err := Split(page(1))
	if err != nil {
		b.Fatal(err)
	}
	return p.Rows[0]
}
