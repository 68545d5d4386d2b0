package sqldb

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What MatrixOne is sent. No test can ask MatrixOne itself.
func TestInline(t *testing.T) {
	w := &write{sink: &sink{table: tableName{"app", "people"}}}
	columns := []string{"age", "name", "note"}
	p := piece{columns, []record{
		{values: []any{int64(1), "it's 😀", `{"a":"b, c"}`}},
		{values: []any{nil, "", true}},
		{values: []any{0.5, "x", nil}},
	}}
	assert.Equal(t, `LOAD DATA INLINE FORMAT='csv', DATA='1,"it''s 😀","{""a"":""b, c""}"\n\\N,"",1\n0.5,"x",\\N\n' `+
		"INTO TABLE `app`.`people` FIELDS TERMINATED BY ',' ENCLOSED BY '\"' (`age`, `name`, `note`)", w.inline(p))
	assert.True(t, LoadInline.takes(p, columns))
	for _, v := range []any{`back\slash`, "line\nbreak", "\r", "\x00", []byte("bytes")} {
		assert.False(t, LoadInline.takes(piece{columns, []record{{values: []any{nil, nil, v}}}}, columns), "%q is inserted", v)
	}
	assert.False(t, LoadInline.takes(piece{columns[:2], nil}, columns), "a column is missing")
	assert.False(t, Insert.takes(p, columns))
}

func TestEnginesWithoutTransactions(t *testing.T) {
	for engine, refused := range map[string]bool{"InnoDB": false, "": false, "MyISAM": true, "Aria": true, "memory": true} {
		assert.Equal(t, refused, (&tableInfo{engine: engine}).checkEngine() != nil, engine)
	}
}
