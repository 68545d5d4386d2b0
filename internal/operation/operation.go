// Package operation is the table of the calls that the services know: of each its
// address, what it answers, and whether it may be repeated. It sends nothing.
package operation

import (
	"fmt"
	"net/http"
)

// Safety says what a repetition of an operation can do to the service.
type Safety int

const (
	// Read changes nothing and may always be repeated.
	Read Safety = iota
	// Idempotent leaves the same state however often it is repeated.
	Idempotent
	// Once may happen twice when it is repeated: the services know no
	// idempotency key.
	Once
)

// String returns the retry class as the documentation prints it.
func (s Safety) String() string {
	switch s {
	case Read:
		return "read"
	case Idempotent:
		return "idempotent"
	case Once:
		return "once"
	}
	return fmt.Sprintf("Safety(%d)", int(s))
}

// Service is one of the two services behind a client.
type Service int

const (
	// Minapp is the minapp data API; any 2xx is success.
	Minapp Service = iota
	// MOI is the MatrixOne Intelligence API; its envelope decides.
	MOI
	// OAuth is where minapp gives tokens; calls carry no token.
	OAuth
	// Files is wherever a download URL leads; calls carry no credentials.
	Files

	// Services is how many there are.
	Services = iota
)

// Answer says which body a successful answer carries.
type Answer int

const (
	// JSON is one JSON value; anything else is a protocol error.
	JSON Answer = iota
	// None is no body (204), or JSON that does not matter; anything else does
	// not come from the service.
	None
	// Any is whatever comes, passed on undecoded.
	Any
)

// Param is a set of optional query parameters an operation understands.
type Param uint8

const (
	// Keys is the parameter keys.
	Keys Param = 1 << iota
	// Expand is the parameter expand.
	Expand
	// Triggers is the parameter enable_trigger.
	Triggers
	// Total is the parameter return_total_count of a bulk call.
	Total
)

// MOIPrefix is the end of MOI's base URL, below which it has its tasks and
// beside which it has its connectors.
const MOIPrefix = "/byoa/api/v1"

// Operation is one call of a service. The table below drives what is repeated,
// how errors are named, and the completeness test of the documentation.
type Operation struct {
	Name    string // "records.get"; Op of the error
	Method  string
	Path    string // segments in braces are filled in order by the values of a call; {surface} by the configuration
	Safety  Safety
	Params  Param   // what call options may add to the query
	Answer  Answer  // body of a successful answer
	Follow  bool    // redirects are followed, as GET without body; see package redirect
	Service Service // whose credentials, base URL and rule of success apply
	Root    bool    // not below MOIPrefix
	Secret  bool    // its answers hold secrets of others: an error keeps nothing of them
	Source  string  // the document that describes it
}

// The operations, in the order of the documentation. An update is idempotent
// unless its patch is not (Once of api.Call).
var (
	TablesCreate = Operation{Name: "tables.create", Method: http.MethodPost, Path: "/{surface}/{version}/table/", Safety: Once, Source: "open-api/data/table.md"}
	TablesGet    = Operation{Name: "tables.get", Method: http.MethodGet, Path: "/{surface}/{version}/table/{table}/", Safety: Read, Source: "open-api/data/table.md"}
	TablesList   = Operation{Name: "tables.list", Method: http.MethodGet, Path: "/{surface}/{version}/table/", Safety: Read, Source: "open-api/data/table.md"}
	TablesUpdate = Operation{Name: "tables.update", Method: http.MethodPut, Path: "/{surface}/{version}/table/{table}/", Safety: Idempotent, Source: "open-api/data/table.md"}
	TablesDelete = Operation{Name: "tables.delete", Method: http.MethodDelete, Path: "/{surface}/{version}/table/{table}/", Safety: Idempotent, Answer: None, Source: "open-api/data/table.md"}

	IndexesList   = Operation{Name: "indexes.list", Method: http.MethodGet, Path: "/oserve/v2.6/schema/{table}/index/", Safety: Read, Source: "open-api/data/table.md"}
	IndexesCreate = Operation{Name: "indexes.create", Method: http.MethodPost, Path: "/oserve/v2.6/schema/{table}/index/", Safety: Once, Source: "open-api/data/table.md"}
	IndexesDelete = Operation{Name: "indexes.delete", Method: http.MethodDelete, Path: "/oserve/v2.6/schema/{table}/index/{index}/", Safety: Idempotent, Answer: None, Source: "open-api/data/table.md"}

	RecordsList   = Operation{Name: "records.list", Method: http.MethodGet, Path: "/{surface}/v2.4/table/{table}/record/", Safety: Read, Source: "open-api/data/record.md"}
	RecordsCount  = Operation{Name: "records.count", Method: http.MethodGet, Path: "/{surface}/v2.4/table/{table}/record/", Safety: Read, Source: "open-api/data/record.md"}
	RecordsGet    = Operation{Name: "records.get", Method: http.MethodGet, Path: "/{surface}/v2.4/table/{table}/record/{record}/", Safety: Read, Params: Keys | Expand, Source: "open-api/data/record.md"}
	RecordsCreate = Operation{Name: "records.create", Method: http.MethodPost, Path: "/{surface}/v2.4/table/{table}/record/", Safety: Once, Params: Triggers, Source: "open-api/data/record.md"}
	RecordsUpdate = Operation{Name: "records.update", Method: http.MethodPut, Path: "/{surface}/v2.6/table/{table}/record/{record}/", Safety: Idempotent, Params: Triggers, Source: "open-api/data/record.md"}
	RecordsDelete = Operation{Name: "records.delete", Method: http.MethodDelete, Path: "/{surface}/v2.4/table/{table}/record/{record}/", Safety: Idempotent, Params: Triggers, Answer: None, Source: "open-api/data/record.md"}

	BulkCreate    = Operation{Name: "bulk.create", Method: http.MethodPost, Path: "/{surface}/v2.4/table/{table}/record/", Safety: Once, Params: Triggers, Source: "open-api/data/record.md"}
	BulkUpdate    = Operation{Name: "bulk.update", Method: http.MethodPut, Path: "/{surface}/v2.6/table/{table}/record/", Safety: Idempotent, Params: Triggers | Total, Source: "open-api/data/record.md"}
	BulkDelete    = Operation{Name: "bulk.delete", Method: http.MethodDelete, Path: "/{surface}/v2.4/table/{table}/record/", Safety: Idempotent, Params: Triggers | Total, Source: "open-api/data/record.md"}
	BulkOperation = Operation{Name: "bulk.operation", Method: http.MethodGet, Path: "/{surface}/v1/bulk-operation/{operation}/", Safety: Read, Source: "open-api/data/record.md"}

	UsersGet   = Operation{Name: "users.get", Method: http.MethodGet, Path: "/{surface}/v2.2/miniapp/user_profile/{user}/", Safety: Read, Source: "open-api/user/user.md"}
	UsersList  = Operation{Name: "users.list", Method: http.MethodGet, Path: "/{surface}/v2.2/miniapp/user_profile/", Safety: Read, Source: "open-api/user/user.md"}
	FilesGet   = Operation{Name: "files.get", Method: http.MethodGet, Path: "/{surface}/v2.2/file/{file}/", Safety: Read, Source: "open-api/file/file.md"}
	FilesList  = Operation{Name: "files.list", Method: http.MethodGet, Path: "/{surface}/v2.2/file/", Safety: Read, Source: "open-api/file/file.md"}
	ServerTime = Operation{Name: "server.time", Method: http.MethodGet, Path: "/{surface}/v2.2/server/time/", Safety: Read, Source: "open-api/utils.md"}

	ExportsCreate = Operation{Name: "exports.create", Method: http.MethodPost, Path: "/{surface}/v1.5/table/{table}/export/", Safety: Once, Source: "open-api/data/operation.md"}
	ExportsGet    = Operation{Name: "exports.get", Method: http.MethodGet, Path: "/{surface}/v1.5/table/{table}/export/{job}/", Safety: Read, Source: "open-api/data/operation.md"}
	ExportsList   = Operation{Name: "exports.list", Method: http.MethodGet, Path: "/{surface}/v1.5/table/{table}/export/", Safety: Read, Source: "open-api/data/operation.md"}

	ImportsStart = Operation{Name: "imports.start", Method: http.MethodPost, Path: "/{surface}/v1/table/{table}/import/", Safety: Once, Source: "open-api/data/operation.md"}

	ExportTasksCreate = Operation{Name: "exporttasks.create", Method: http.MethodPost, Path: "/export/task/create", Safety: Once, Answer: Any, Service: MOI, Source: "MOI data_export_api"}
	ExportTasksList   = Operation{Name: "exporttasks.list", Method: http.MethodPost, Path: "/export/task/list", Safety: Read, Service: MOI, Source: "MOI data_export_api"}
	ExportTasksGet    = Operation{Name: "exporttasks.get", Method: http.MethodPost, Path: "/export/task/info", Safety: Read, Service: MOI, Source: "MOI data_export_api"}
	ExportTasksFiles  = Operation{Name: "exporttasks.files", Method: http.MethodPost, Path: "/export/task/files", Safety: Read, Service: MOI, Source: "MOI data_export_api"}
	ExportTasksRerun  = Operation{Name: "exporttasks.rerun", Method: http.MethodPost, Path: "/export/task/{task}/rerun", Safety: Once, Answer: Any, Service: MOI, Source: "MOI data_export_api"}
	ExportTasksDelete = Operation{Name: "exporttasks.delete", Method: http.MethodPost, Path: "/export/task/delete", Safety: Once, Answer: Any, Service: MOI, Source: "MOI data_export_api"}
	ConnectorsList    = Operation{Name: "connectors.list", Method: http.MethodGet, Path: "/connectors/list", Safety: Read, Service: MOI, Root: true, Secret: true, Source: "MOI data_connect_api"}

	// A code that is not used expires by itself, so that asking again does no
	// harm. The two exchanges may happen twice: nothing tells the service that
	// it has seen them before (reference, trap 10), and a refresh kills tokens.
	OAuthCode    = Operation{Name: "oauth.code", Method: http.MethodPost, Path: "/api/oauth2/hydrogen/openapi/authorize/", Safety: Read, Service: OAuth, Follow: true, Source: "open-api/authentication.md"}
	OAuthToken   = Operation{Name: "oauth.token", Method: http.MethodPost, Path: "/api/oauth2/access_token/", Safety: Once, Service: OAuth, Source: "open-api/authentication.md"}
	OAuthRefresh = Operation{Name: "oauth.refresh", Method: http.MethodPost, Path: "/api/oauth2/access_token/", Safety: Once, Service: OAuth, Source: "open-api/authentication.md"}
)

// Operations lists every operation of the client.
func Operations() []Operation {
	return []Operation{
		TablesCreate, TablesGet, TablesList, TablesUpdate, TablesDelete,
		IndexesList, IndexesCreate, IndexesDelete,
		RecordsList, RecordsCount, RecordsGet, RecordsCreate, RecordsUpdate, RecordsDelete,
		BulkCreate, BulkUpdate, BulkDelete, BulkOperation,
		UsersGet, UsersList, FilesGet, FilesList, ServerTime,
		ExportsCreate, ExportsGet, ExportsList,
		ImportsStart,
		ExportTasksCreate, ExportTasksList, ExportTasksGet, ExportTasksFiles, ExportTasksRerun, ExportTasksDelete,
		ConnectorsList,
		OAuthCode, OAuthToken, OAuthRefresh,
	}
}

// Custom is an operation that the table does not know, for calls of any path.
// Only a GET counts as repeatable.
func Custom(method, path string) Operation {
	op := Operation{Name: "do", Method: method, Path: path, Safety: Once, Answer: Any}
	if method == http.MethodGet {
		op.Safety = Read
	}
	return op
}

// ExportsDownload fetches an exported file. It is no call of the API: its URL
// is given by one, and leads wherever the files are.
var ExportsDownload = Operation{Name: "exports.download", Method: http.MethodGet, Safety: Read, Answer: Any, Service: Files, Source: "open-api/data/operation.md"}
