package minapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/minapp-go/minapp/where"
)

// FileType is the format of an exported file.
type FileType string

// The formats of exported files. Others are refused before sending.
const (
	FileCSV  FileType = "csv"
	FileJSON FileType = "json"
	FileXLSX FileType = "xlsx" // documented for the surface userve only, see [WithSession]
)

// ExportMode says whether a job exports all rows or a part of them.
type ExportMode string

// The modes of an export.
const (
	ExportAll  ExportMode = "all"
	ExportPart ExportMode = "part"
)

// ExportSpec says what to export and how. Only FileType is needed.
type ExportSpec struct {
	FileType FileType
	Mode     ExportMode // "" is ExportPart with a condition, else ExportAll
	Where    where.Cond // the zero value is every row
	// IncludeKeys or ExcludeKeys choose columns; what both together mean is
	// not documented, and refused.
	IncludeKeys []string
	ExcludeKeys []string
	OrderBy     []string // "created_at", "-price"; boolean, date, integer, number and string columns only
	// CSVHeaders are the titles of the columns of a CSV file, in the order of
	// IncludeKeys, of which there must be as many. That titles belong to
	// columns by position is inferred.
	CSVHeaders    []string
	TimestampKeys []string // columns of Unix seconds to convert to readable time; the format is not documented
}

// exportRequest is an export as the service spells it.
type exportRequest struct {
	FileType      FileType        `json:"file_type"`
	Mode          ExportMode      `json:"mode"`
	Where         json.RawMessage `json:"where,omitempty"` // an object, not the text of one
	IncludeKeys   []string        `json:"include_keys,omitempty"`
	ExcludeKeys   []string        `json:"exclude_keys,omitempty"`
	OrderBy       []string        `json:"order_by,omitempty"`
	CSVHeaders    []string        `json:"csv_customize_headers,omitempty"`
	TimestampKeys []string        `json:"timestamp_convert_keys,omitempty"`
}

// request checks the spec and spells it.
func (spec ExportSpec) request(surface string) (exportRequest, error) {
	condition, err := whereText(spec.Where)
	if err := errors.Join(err, spec.check(surface, condition != "")); err != nil {
		return exportRequest{}, err
	}
	r := exportRequest{
		FileType: spec.FileType, Mode: spec.Mode, Where: json.RawMessage(condition),
		IncludeKeys: spec.IncludeKeys, ExcludeKeys: spec.ExcludeKeys, OrderBy: spec.OrderBy,
		CSVHeaders: spec.CSVHeaders, TimestampKeys: spec.TimestampKeys,
	}
	switch {
	case r.Mode != "":
	case condition != "":
		r.Mode = ExportPart
	default:
		r.Mode = ExportAll
	}
	return r, nil
}

func (spec ExportSpec) check(surface string, filtered bool) error {
	errs := []error{
		spec.checkFormat(surface),
		checkNames("IncludeKeys", spec.IncludeKeys),
		checkNames("ExcludeKeys", spec.ExcludeKeys),
		checkNames("OrderBy", trimDash(spec.OrderBy)),
		checkNames("TimestampKeys", spec.TimestampKeys),
	}
	if spec.Mode != "" && spec.Mode != ExportAll && spec.Mode != ExportPart {
		errs = append(errs, fmt.Errorf("Mode is %q, not all or part", spec.Mode))
	}
	if spec.Mode == ExportAll && filtered {
		errs = append(errs, errors.New("Mode is all, and Where leaves rows out"))
	}
	if len(spec.IncludeKeys) > 0 && len(spec.ExcludeKeys) > 0 {
		errs = append(errs, errors.New("IncludeKeys and ExcludeKeys are both given; what that means is not documented"))
	}
	return errors.Join(errs...)
}

func (spec ExportSpec) checkFormat(surface string) error {
	switch {
	case spec.FileType == FileXLSX && surface != "userve":
		return errors.New("FileType is xlsx, which needs a session of the console (WithSession)")
	case !slices.Contains([]FileType{FileCSV, FileJSON, FileXLSX}, spec.FileType):
		return fmt.Errorf("FileType is %q, not csv, json or xlsx", spec.FileType)
	case len(spec.CSVHeaders) > 0 && spec.FileType != FileCSV:
		return fmt.Errorf("CSVHeaders are given for a file of type %s", spec.FileType)
	case len(spec.CSVHeaders) > 0 && len(spec.CSVHeaders) != len(spec.IncludeKeys):
		return fmt.Errorf("%d CSVHeaders are given for %d IncludeKeys", len(spec.CSVHeaders), len(spec.IncludeKeys))
	}
	return nil
}
