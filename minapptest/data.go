package minapptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Data is the content of a data file, as LoadData reads it:
//
//	{
//	  "tables": [{
//	    "id": 3906,
//	    "name": "product",
//	    "schema": {"fields": [{"name": "name", "type": "string"}, {"name": "price", "type": "number"}]},
//	    "row_read_perm": ["user:*"], "row_write_perm": ["user:*"], "write_perm": ["user:*"],
//	    "indexes": [["name"]],
//	    "rows": [{"id": "5a2fa9b008443e59e0e67829", "name": "headphones", "price": 199, "created_at": 1516118400}]
//	  }],
//	  "files": [{"id": "…", "name": "…", "created_at": 1516118400, "mime_type": "…", "cdn_path": "…", "size": 1}],
//	  "exports": [{"table": 3906, "job_id": "…", "file_type": "csv", "status": "finish", "created_at": 1516118400}],
//	  "moi": {"connectors": [{"id": 1, "name": "kb", "source_type": 1}]},
//	  "oauth": {"client_id": "…", "client_secret": "…"}
//	}
//
// A table is spelled like the request that creates one, with id, indexes and
// rows added; of these only name and schema must be there. Tables may point at
// tables that come later. Rows of a table named _userprofile are users, with
// numbers for ids, and are what expanding created_by shows.
type Data struct {
	Tables  []Table          `json:"tables"`
	Files   []map[string]any `json:"files,omitempty"`
	Exports []ExportJob      `json:"exports,omitempty"`
	MOI     MOIData          `json:"moi,omitzero"`
	OAuth   *OAuth           `json:"oauth,omitempty"`
}

// OAuth is the application of a data file; see [WithClientCredentials]. Code and
// refresh token are valid as if they had just been given.
type OAuth struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Code         string `json:"code,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// LoadData adds the tables, rows and files of a data file. It is strict: unknown
// keys, unknown columns and values of a wrong type are errors.
func (s *Server) LoadData(r io.Reader) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	dec.DisallowUnknownFields()
	var d Data
	if err := dec.Decode(&d); err != nil {
		return fmt.Errorf("minapptest: data: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("minapptest: data: more than one JSON value")
	}
	if err := s.load(d); err != nil {
		return fmt.Errorf("minapptest: data: %w", err)
	}
	return nil
}

func (s *Server) load(d Data) error {
	s.store.Lock()
	defer s.store.Unlock()
	if _, err := s.addTables(d.Tables); err != nil {
		return err
	}
	for i, f := range d.Files {
		if err := s.store.addFile(f); err != nil {
			return fmt.Errorf("file %d: %w", i, err)
		}
	}
	for i, def := range d.Exports {
		if err := s.loadExport(def); err != nil {
			return fmt.Errorf("export %d: %w", i, err)
		}
	}
	return errors.Join(s.moi.load(d.MOI), s.oauth.load(d.OAuth, s.now()))
}

// addTables adds tables without columns first, so that they can point at each
// other, then columns, rows and indexes. It adds all of them or none.
func (s *Server) addTables(defs []Table) (tables []*table, err error) {
	defer func() {
		if err != nil {
			for _, t := range tables {
				delete(s.store.tables, t.ID)
			}
		}
	}()
	for i, def := range defs {
		def.Schema.Fields = nil
		t, bad := s.store.addTable(def, s.now())
		if bad != nil {
			return tables, fmt.Errorf("table %d (%s): %w", i, def.Name, bad)
		}
		tables = append(tables, t)
	}
	for i, t := range tables {
		if err := s.fill(t, defs[i]); err != nil {
			return tables, fmt.Errorf("table %d (%s): %w", i, t.Name, err)
		}
	}
	return tables, nil
}

func (s *Server) fill(t *table, def Table) error {
	if bad := checkFields(def.Schema.Fields, s.store.exists); bad != nil {
		return bad
	}
	t.setFields(def.Schema.Fields)
	for _, fields := range def.Indexes {
		if bad := t.addIndex(fields); bad != nil {
			return bad
		}
	}
	for i, raw := range def.Rows {
		if _, err := s.seedRow(t, raw); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return nil
}

// CreateTable adds a table and returns its id. Only a name is needed.
func (s *Server) CreateTable(def Table) (int64, error) {
	def, err := normalized(def)
	if err != nil {
		return 0, fmt.Errorf("minapptest: table %s: %w", def.Name, err)
	}
	s.store.Lock()
	defer s.store.Unlock()
	tables, err := s.addTables([]Table{def})
	if err != nil {
		return 0, fmt.Errorf("minapptest: %w", err)
	}
	return tables[0].ID, nil
}

// normalized turns the Go values of a definition into those of JSON.
func normalized(def Table) (Table, error) {
	text, err := json.Marshal(def)
	if err != nil {
		return def, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out Table
	return out, dec.Decode(&out)
}

// Seed adds rows and returns their ids. A row is anything that encodes as a JSON
// object. It may carry id, created_by, created_at, updated_at, read_perm and
// write_perm. Unlike a create over the wire, Seed refuses unknown columns and
// values of a wrong type; rows before the one refused stay. A created_at or
// updated_at that is null makes a row without it, as imports may leave behind
// (inferred).
func (s *Server) Seed(table int64, rows ...any) ([]string, error) {
	s.store.Lock()
	defer s.store.Unlock()
	t := s.store.tables[table]
	if t == nil {
		return nil, fmt.Errorf("minapptest: seed: no table %d", table)
	}
	ids := make([]string, 0, len(rows))
	for i, v := range rows {
		raw, err := json.Marshal(v)
		if err != nil {
			return ids, fmt.Errorf("minapptest: seed: row %d: %w", i, err)
		}
		id, err := s.seedRow(t, raw)
		if err != nil {
			return ids, fmt.Errorf("minapptest: seed: row %d: %w", i, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (s *Server) seedRow(t *table, raw []byte) (string, error) {
	o, bad := decodeObject(raw)
	if bad != nil {
		return "", bad
	}
	id, err := s.seedID(t, o)
	if err != nil {
		return "", err
	}
	bare := withoutTimes(o)
	for _, column := range slices.Sorted(maps.Keys(o)) {
		if _, ok := t.acceptColumn(column, o[column]); !ok {
			return "", fmt.Errorf("no such column, or a value that does not fit: %s", column)
		}
	}
	values, bad := t.newValues(o, s.now().Unix())
	if bad != nil {
		return "", bad
	}
	for _, column := range bare {
		delete(values, column)
	}
	if _, violated := t.insert(id, values); violated != nil {
		return "", duplicate(violated)
	}
	return id, nil
}

// withoutTimes takes the times that are null out of a row, and returns them.
func withoutTimes(o map[string]any) []string {
	var bare []string
	for _, column := range []string{"created_at", "updated_at"} {
		if v, given := o[column]; given && v == nil {
			bare = append(bare, column)
			delete(o, column)
		}
	}
	return bare
}

// seedID takes the id out of a row, or makes one.
func (s *Server) seedID(t *table, o map[string]any) (string, error) {
	id := ""
	for _, key := range []string{"_id", "id"} {
		if v, given := o[key]; given {
			if id = idText(v); id == "" {
				return "", fmt.Errorf("%s must be a text", key)
			}
			delete(o, key)
		}
	}
	if id == "" {
		id = s.store.newRowID(s.now())
	}
	if t.rows[id] != nil {
		return "", fmt.Errorf("id is taken: %s", id)
	}
	return id, nil
}

// CreateFile makes a file known, which must have the six attributes that a file
// column needs: id, name, created_at, mime_type, cdn_path and size.
func (s *Server) CreateFile(file map[string]any) error {
	s.store.Lock()
	defer s.store.Unlock()
	if err := s.store.addFile(file); err != nil {
		return fmt.Errorf("minapptest: file: %w", err)
	}
	return nil
}

func (st *store) addFile(file map[string]any) error {
	text, err := json.Marshal(file)
	if err != nil {
		return err
	}
	f, bad := decodeObject(text)
	if bad != nil {
		return bad
	}
	id, _ := f["id"].(string)
	if id == "" || !acceptObject("file", f) {
		return errors.New("id, name, created_at, mime_type, cdn_path and size are required")
	}
	st.files[id] = f
	return nil
}

// Rows returns copies of a table's rows in the order of their insertion, with
// numbers as json.Number; nil for an unknown table. Pointers are bare ids, and
// columns that were never written are absent.
func (s *Server) Rows(table int64) []map[string]any {
	s.finishJobs()
	s.store.RLock()
	defer s.store.RUnlock()
	t := s.store.tables[table]
	if t == nil {
		return nil
	}
	rows := slices.Clone(t.byCreation())
	slices.SortFunc(rows, func(a, b *row) int { return int(a.seq - b.seq) })
	out := make([]map[string]any, len(rows))
	for i, r := range rows {
		out[i] = copyValue(r.values).(map[string]any)
		out[i]["id"] = t.idValue(r.id)
	}
	return out
}
