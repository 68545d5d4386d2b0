package minapptest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
)

// startImport adds the rows of a file to the table, at once. inferred: the
// format of the files, since the page that describes it is not public; and that
// a row which cannot be added, for a unique index or a required column, is left
// out and the others are not.
func (s *Server) startImport(c *call) (answer, *failure) {
	name, content, bad := importedFile(c)
	if bad != nil {
		return answer{}, bad
	}
	s.store.Lock()
	defer s.store.Unlock()
	t, bad := s.table(c)
	if bad != nil {
		return answer{}, bad
	}
	rows, err := t.parseFile(name, content)
	if err != nil {
		return answer{}, badRequest("无效的文件: %v", err)
	}
	for _, o := range rows {
		delete(o, "id")
		delete(o, "_id")
		if values, bad := t.newValues(o, s.now().Unix()); bad == nil {
			t.insert(s.store.newRowID(s.now()), values)
		}
	}
	return jsonAnswer(http.StatusCreated, object{{"status", "ok"}}), nil
}

// importedFile is the part named file.
func importedFile(c *call) (name string, content []byte, bad *failure) {
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", nil, badRequest("无效的文件: not multipart/form-data")
	}
	parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
	for {
		part, err := parts.NextPart()
		if err != nil {
			return "", nil, badRequest("无效的文件: no part named file")
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return "", nil, badRequest("无效的文件: %v", err)
		}
		if part.FormName() == "file" {
			return part.FileName(), content, nil
		}
	}
}

func (t *table) parseFile(name string, content []byte) ([]map[string]any, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(content)) == 0:
		return nil, errors.New("it is empty")
	case strings.EqualFold(path.Ext(name), ".csv"):
		return t.parseCSV(content)
	case strings.EqualFold(path.Ext(name), ".json"):
		return parseObjects(content)
	}
	return nil, errors.New("its name ends neither in .csv nor in .json")
}

// parseObjects reads an array of objects, or objects one after another.
func parseObjects(content []byte) (rows []map[string]any, err error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("[")) {
		err := dec.Decode(&rows)
		return rows, err
	}
	for {
		var row map[string]any
		if err := dec.Decode(&row); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// parseCSV reads a line of column names and then rows. Empty cells are missing.
func (t *table) parseCSV(content []byte) (rows []map[string]any, err error) {
	records, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || len(records) == 0 {
		return nil, err
	}
	for _, record := range records[1:] {
		row := map[string]any{}
		for i, cell := range record {
			if column := t.columns[records[0][i]]; cell != "" && column != nil {
				row[column.Name] = column.parseCell(cell)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// parseCell is a cell as a value of the column's type, as far as it is one.
func (f *Field) parseCell(cell string) any {
	switch f.Type {
	case "string", "date", "reference", "id":
		return cell
	}
	v, err := decodeJSON([]byte(cell))
	if err != nil {
		return cell // of a wrong type, and dropped for it
	}
	return v
}
