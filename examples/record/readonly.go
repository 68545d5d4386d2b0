package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/minapptest"
)

// readable is what can be recorded of any table without writing to it.
var readable = []string{
	"records.get/one", "records.get/not-found", "records.get/unauthorized",
	"records.list/all", "records.list/order-created-at-desc",
	"tables.get/one", "tables.get/unauthorized",
}

// read makes calls that change nothing on a table of the user's, whose rows are
// nobody else's business: of each value only an example of its type is written.
func (r *recorder) read(ctx context.Context, documented []fixture.Exchange, table minapp.TableID) error {
	info, err := r.client.Tables.Get(ctx, table)
	if err != nil {
		return err
	}
	m := newMasker(info.Fields)
	for _, e := range documented {
		if !slices.Contains(readable, e.Name) {
			continue
		}
		s, err := r.show(ctx, e, info, m)
		if err != nil {
			return err
		}
		if err := r.record(ctx, e, s); err != nil {
			return err
		}
	}
	return nil
}

// show describes the rows that an exchange shows: given holds no others.
func (r *recorder) show(ctx context.Context, e fixture.Exchange, info *minapp.TableInfo, m *masker) (*stage, error) {
	s := &stage{table: info.ID, liveName: info.Name, mask: m.answer, maybe: []string{"meta.next", "meta.total_count", "schema.fields[].*"}}
	for _, column := range m.columns {
		s.maybe = append(s.maybe, column.Name, "objects[]."+column.Name)
	}
	before, err := stateOf(e)
	if err != nil {
		return nil, err
	}
	if len(before.Tables) == 0 {
		return nil, fmt.Errorf("%s is not about a table", e.Name)
	}
	t := before.Tables[0]
	s.documentedName = t.Name
	t.Indexes, t.Schema.Fields = nil, m.schema()
	query := minapp.Query{PageSize: 20}
	if order := e.Request.Query.Get("order_by"); order != "" {
		query.OrderBy = strings.Split(order, ",")
	}
	if strings.HasSuffix(e.Name, "/one") || e.Request.Unauthenticated {
		query.PageSize = 1
	}
	page, err := r.client.Records.Page(ctx, info.ID, query)
	if err != nil {
		return nil, err
	}
	var known []string // the ids that the documents have for rows
	for _, row := range t.Rows {
		known = append(known, idOf(row))
	}
	for i, record := range page.Records {
		id := fmt.Sprintf("5a2fa9b008443e59e0e6%04x", 0x7900+i)
		if i < len(known) {
			id = known[i]
		}
		s.ids = append(s.ids, id, record.ID())
	}
	scrub, err := s.scrubber(e, r.tape.secrets())
	if err != nil {
		return nil, err
	}
	t.Rows = nil
	for _, record := range page.Records {
		row, err := decode(record.Raw)
		if err != nil {
			return nil, err
		}
		masked, _ := m.row(scrub.value("", row)).(map[string]any)
		delete(masked, "_id")
		text, err := encode(masked)
		if err != nil {
			return nil, err
		}
		t.Rows = append(t.Rows, text)
	}
	s.given, err = encode(state{Tables: []minapptest.Table{t}})
	return s, err
}

func idOf(row json.RawMessage) string {
	var r struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(row, &r) // the documents' own rows
	return r.ID
}

// masker puts an example in the place of every value of a table. The zero value
// leaves out all columns but those of every table.
type masker struct {
	columns []minapp.Field // those that an example can be made for
}

// builtin columns hold no secrets once people are scrubbed.
var builtin = []string{"_id", "id", "created_by", "created_at", "updated_at", "read_perm", "write_perm"}

var exampleOf = map[string]any{
	minapp.TypeString: "text", minapp.TypeInteger: json.Number("1"), minapp.TypeNumber: json.Number("1"),
	minapp.TypeBoolean: true, minapp.TypeObject: map[string]any{}, minapp.TypeArray: []any{},
	minapp.TypeDate: "2018-09-26T11:22:51.100000+08:00",
}

// newMasker leaves out pointers, files and shapes, which stand for other things.
func newMasker(fields []minapp.Field) *masker {
	m := &masker{}
	for _, f := range fields {
		if exampleOf[f.Type] != nil && !slices.Contains(builtin, f.Name) {
			m.columns = append(m.columns, minapp.Field{Name: f.Name, Type: f.Type, Items: f.Items})
		}
	}
	return m
}

func (m *masker) schema() []minapptest.Field {
	fields := make([]minapptest.Field, len(m.columns))
	for i, f := range m.columns {
		fields[i] = minapptest.Field{Name: f.Name, Type: f.Type}
		if f.Items != nil {
			fields[i].Items = &minapptest.Items{Type: f.Items.Type}
		}
	}
	return fields
}

// answer masks a row, a page of rows, or a table; an error has nothing to mask.
func (m *masker) answer(v any) any {
	object, ok := v.(map[string]any)
	switch {
	case !ok:
		return v
	case object["schema"] != nil:
		return m.table(object)
	case object["objects"] != nil:
		rows, _ := object["objects"].([]any)
		for i := range rows {
			rows[i] = m.row(rows[i])
		}
		return object
	case object["id"] != nil || object["_id"] != nil:
		return m.row(object)
	}
	return v
}

func (m *masker) row(v any) any {
	row, ok := v.(map[string]any)
	if !ok {
		return v
	}
	masked := map[string]any{}
	for _, name := range builtin {
		if value, ok := row[name]; ok {
			masked[name] = value
		}
	}
	for _, column := range m.columns {
		if value, ok := row[column.Name]; ok && value != nil {
			masked[column.Name] = exampleOf[column.Type]
		}
	}
	return masked
}

// table leaves of the columns what the service says of any: descriptions and
// defaults are texts of the user's.
func (m *masker) table(table map[string]any) any {
	schema, _ := table["schema"].(map[string]any)
	fields, _ := schema["fields"].([]any)
	shown := []any{}
	for _, v := range fields {
		field, _ := v.(map[string]any)
		name, _ := field["name"].(string)
		own := slices.ContainsFunc(m.columns, func(f minapp.Field) bool { return f.Name == name })
		if !own && (len(m.columns) == 0 || !slices.Contains(builtin, name)) {
			continue
		}
		if field["description"] != nil {
			field["description"] = name
		}
		delete(field, "default")
		shown = append(shown, field)
	}
	schema["fields"] = shown
	return table
}

// tableToRead is an existing table of the service, or one made on the emulator.
func tableToRead(ctx context.Context, client *service.Service) (minapp.TableID, error) {
	if !client.Emulated {
		return service.TableFromEnv("MINAPP_TABLE")
	}
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "customer", Fields: []minapp.Field{
		{Name: "name", Type: minapp.TypeString, Description: "as in the contract"},
		{Name: "orders", Type: minapp.TypeInteger},
	}, Rows: minapp.RowPerm{ReadPerm: []string{"user:*"}, WritePerm: []string{"user:*"}}, CreateRow: []string{"user:*"}})
	if err != nil {
		return 0, err
	}
	_, err = client.Bulk.CreateMany(ctx, info.ID, []minapp.Fields{{"name": "Mrs. Wang", "orders": 3}, {"name": "Mr. Li", "orders": 5}})
	return info.ID, err
}
