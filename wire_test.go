package minapp_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// product is a typed row of most exchanges.
type product struct {
	Name      string   `json:"name,omitempty"`
	Price     int      `json:"price,omitempty"`
	Code      string   `json:"code,omitempty"`
	ReadPerm  []string `json:"read_perm,omitempty"`
	WritePerm []string `json:"write_perm,omitempty"`
}

// expanded is a row whose pointer and creator are objects.
type expanded struct {
	Name    string `json:"name"`
	Price   int    `json:"price"`
	Pointer struct {
		Table string `json:"_table"`
		ID    string `json:"id"`
		Field string `json:"customized_field"`
		Other string `json:"other_field"`
	} `json:"pointer"`
}

// purchase is a row whose creator is expanded, too.
type purchase struct {
	expanded
	CreatedBy struct {
		Nickname string `json:"nickname"`
		Avatar   string `json:"avatar"`
	} `json:"created_by"`
}

// imported is a row that brings its origin along.
type imported struct {
	Name      string           `json:"name"`
	CreatedBy int64            `json:"created_by"`
	CreatedAt minapp.Timestamp `json:"created_at"`
	UpdatedAt minapp.Timestamp `json:"updated_at"`
}

// person is a row of the bulk exchanges.
type person struct {
	Name   string `json:"name,omitempty"`
	Pretty bool   `json:"pretty"`
}

// order points at a customer.
type order struct {
	Name string `json:"name"`
	User struct {
		ID    string `json:"id"`
		Table string `json:"_table"`
	} `json:"user"`
}

// everything has a column of every type.
type everything struct {
	String  string         `json:"string"`
	Integer int64          `json:"integer"`
	Number  float64        `json:"number"`
	Boolean bool           `json:"boolean"`
	Array   []string       `json:"array"`
	Object  map[string]int `json:"object"`
	Date    string         `json:"date"`
	Point   geo.Point      `json:"point"`
	Polygon geo.Polygon    `json:"polygon"`
	File    storedFile     `json:"file"`
	Pointer pointer        `json:"pointer"`
}

type storedFile struct {
	ID        string           `json:"id"`
	Name      string           `json:"name"`
	CreatedAt minapp.Timestamp `json:"created_at"`
	MimeType  string           `json:"mime_type"`
	CDNPath   string           `json:"cdn_path"`
	Size      int64            `json:"size"`
	Path      string           `json:"path"`
}

// pointer is written as the id and read as an object.
type pointer struct {
	ID    string `json:"id"`
	Table string `json:"_table"`
}

func (p pointer) MarshalJSON() ([]byte, error) { return json.Marshal(p.ID) }

var photo = storedFile{
	"5a2fe93308443e313a428c00", "a.jpg", 1513089331, "image/jpeg", "1eHfj5yVQZzGQnyc.jpg", 4830,
	"https://cloud-minapp-1.cloud.ifanrusercontent.com/1eHfj5yVQZzGQnyc.jpg",
}

func products(c *minapp.Client) *minapp.Table[product] { return minapp.TableOf[product](c, 3906) }
func raws(c *minapp.Client) *minapp.Table[json.RawMessage] {
	return minapp.TableOf[json.RawMessage](c, 3906)
}
func people(c *minapp.Client) *minapp.Table[person] { return minapp.TableOf[person](c, 70264) }
func orders(c *minapp.Client) *minapp.Table[order]  { return minapp.TableOf[order](c, 3906) }

// listProducts reads a page of the service's default size.
func listProducts(cond where.Cond, order ...string) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(products(c).Page(ctx, minapp.Query{Where: cond, OrderBy: order, PageSize: 20}))
	}
}

// listExpanded reads a page of rows of a type that fits expanded columns.
func listExpanded[T any](q minapp.Query) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(minapp.TableOf[T](c, 3906).Page(ctx, q))
	}
}

const (
	firstID   = "5a2fa9b008443e59e0e67829"
	updatedID = "5a33406909a805412e316900"
	renamedID = "5a6ee2ab4a7baa1fc083e300"
)

// updateFields changes one row without a type.
func updateFields(id string, p patch.Patch) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(c.Records.Update(ctx, 3906, id, p))
	}
}

func createFields(v minapp.Fields) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(c.Records.Create(ctx, 3906, v))
	}
}

func createProduct(v product, opts ...minapp.CallOption) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(products(c).Create(ctx, v, opts...))
	}
}

func createPeople(opts []minapp.CallOption, rows ...person) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return bulkResult(people(c).CreateMany(ctx, rows, opts...))
	}
}

func createTable(fields ...minapp.Field) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		everyone := []string{"user:*"}
		return tableResult(c.Tables.Create(ctx, minapp.TableSpec{Name: "Table199", Fields: fields, Rows: minapp.RowPerm{ReadPerm: everyone, WritePerm: everyone}, CreateRow: everyone}))
	}
}

func getTable(ctx context.Context, c *minapp.Client) wireResult {
	return tableResult(c.Tables.Get(ctx, 1))
}

func deleteTable(ctx context.Context, c *minapp.Client) wireResult {
	return doneResult(c.Tables.Delete(ctx, 1))
}

// wireCase is one call of the client.
type wireCase func(context.Context, *minapp.Client) wireResult

var wireCases = map[string]wireCase{
	"tables.create/one":            createTable(minapp.Field{Name: "String", Type: minapp.TypeString}),
	"tables.create/name-taken":     createTable(minapp.Field{Name: "String", Type: minapp.TypeString}),
	"tables.create/unauthorized":   createTable(minapp.Field{Name: "String", Type: minapp.TypeString}),
	"tables.create/invalid-schema": createTable(minapp.Field{Name: "String", Type: "text"}),
	"tables.create/field-attributes": createTable(
		minapp.Field{
			Name: "field_name", Type: minapp.TypeString, Description: "description of field_name",
			Constraints: &minapp.Constraints{Required: true}, Default: json.RawMessage(`"hello, world"`),
			ACL: &minapp.FieldACL{ClientVisible: new(true), ClientReadOnly: new(true), CreatorVisible: new(true)},
		},
		minapp.Field{Name: "array_field", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
		minapp.Field{Name: "location", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordGCJ02},
		minapp.Field{Name: "pointer", Type: minapp.TypePointer, SchemaID: 1},
	),
	"tables.get/one":          getTable,
	"tables.get/not-found":    getTable,
	"tables.get/unauthorized": getTable,
	"tables.list/all": func(ctx context.Context, c *minapp.Client) wireResult {
		return tablesResult(c.Tables.Page(ctx, minapp.TableQuery{PageSize: 20}))
	},
	"tables.list/by-name": func(ctx context.Context, c *minapp.Client) wireResult {
		return foundResult(c.Tables.FindByName(ctx, "Table"))
	},
	"tables.list/by-name-none": func(ctx context.Context, c *minapp.Client) wireResult {
		return foundResult(c.Tables.FindByName(ctx, "Other"))
	},
	"tables.delete/one":       deleteTable,
	"tables.delete/not-found": deleteTable,

	"records.list/all":                            listProducts(where.Cond{}),
	"records.list/where-eq":                       listProducts(where.Eq("price", 10)),
	"records.list/where-eq-order-created-at-desc": listProducts(where.Eq("price", 10), "-created_at"),
	"records.list/where-ne":                       listProducts(where.Ne("price", 10)),
	"records.list/where-lt":                       listProducts(where.Lt("price", 50)),
	"records.list/where-lte":                      listProducts(where.Lte("price", 50)),
	"records.list/where-gte":                      listProducts(where.Gte("price", 50)),
	"records.list/where-contains":                 listProducts(where.Contains("name", "包")),
	"records.list/where-in":                       listProducts(where.In("price", 10, 199)),
	"records.list/where-nin":                      listProducts(where.NotIn("price", 10, 199)),
	"records.list/where-range":                    listProducts(where.Range("price", 20, 100)),
	"records.list/where-isnull":                   listProducts(where.IsNull("code")),
	"records.list/where-isnull-false":             listProducts(where.NotNull("code")),
	"records.list/where-nested":                   listProducts(where.Eq("price", 10).And(where.Contains("name", "包")).Or(where.Gt("price", 100))),
	"records.list/order-created-at":               listProducts(where.Cond{}, "created_at"),
	"records.list/order-created-at-desc":          listProducts(where.Everything(), "-created_at"),
	"records.list/where-gt": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(products(c).Page(ctx, minapp.Query{Where: where.Gt("price", 100), OrderBy: []string{"-created_at"}, PageSize: 10}))
	},
	"records.list/where-gt-text": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(products(c).Page(ctx, minapp.Query{Where: where.Gt("price", "test search"), OrderBy: []string{"-created_at"}, PageSize: 10}))
	},
	"records.list/total": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(c.Records.Page(ctx, 3906, minapp.Query{PageSize: 20, Total: true}))
	},
	"records.list/second-page": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(raws(c).Page(ctx, minapp.Query{PageSize: 20, Max: 1, Offset: 1}))
	},
	"records.list/keys": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(products(c).Page(ctx, minapp.Query{PageSize: 20, Keys: []string{"name", "price"}}))
	},
	"records.list/keys-exclude": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(c.Records.Page(ctx, 3906, minapp.Query{PageSize: 20, Keys: []string{"-price"}}))
	},
	"records.list/no-such-table": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(c.Records.Page(ctx, 3906, minapp.Query{PageSize: 20}))
	},
	"records.list/pointer-unexpanded": listExpanded[expanded](minapp.Query{PageSize: 20}),
	"records.list/pointer-eq": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(orders(c).Page(ctx, minapp.Query{Where: where.Eq("user", "5bf4f7457fed8d6c2f5c3d6e"), OrderBy: []string{"id"}, PageSize: 20}))
	},
	"records.list/pointer-eq-order-id-desc": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(orders(c).Page(ctx, minapp.Query{Where: where.Eq("user", "5bf4f7457fed8d6c2f5c3d6e"), OrderBy: []string{"-id"}, PageSize: 10}))
	},
	"records.list/expand-pointer": listExpanded[expanded](minapp.Query{PageSize: 20, Expand: []string{"pointer"}}),
	"records.list/expand-pointer-keys": listExpanded[purchase](minapp.Query{
		Where: where.Eq("price", 10), OrderBy: []string{"id"}, PageSize: 20,
		Expand: []string{"pointer", "created_by"}, Keys: []string{"pointer.customized_field"},
	}),
	"records.list/expand-pointer-keys-order-id-desc": listExpanded[purchase](minapp.Query{
		Where: where.Gt("price", 100), OrderBy: []string{"-id"}, PageSize: 10,
		Expand: []string{"pointer", "created_by"}, Keys: []string{"pointer.customized_field"},
	}),
	"records.list/expand-pointer-keys-exclude": listExpanded[json.RawMessage](minapp.Query{
		PageSize: 20, Expand: []string{"pointer"}, Keys: []string{"-pointer.customized_field"},
	}),
	"records.list/expand-pointer-created-by": listExpanded[purchase](minapp.Query{
		PageSize: 20, Expand: []string{"pointer", "created_by"},
		Keys: []string{"created_by.nickname", "created_by.avatar", "pointer.customized_field"},
	}),

	"records.count/all": func(ctx context.Context, c *minapp.Client) wireResult {
		return countResult(products(c).Count(ctx, where.Everything()))
	},
	"records.count/where-eq": func(ctx context.Context, c *minapp.Client) wireResult {
		return countResult(c.Records.Count(ctx, 3906, where.Eq("price", 10)))
	},
	"records.count/none": func(ctx context.Context, c *minapp.Client) wireResult {
		return countResult(raws(c).Count(ctx, where.Eq("price", 11)))
	},

	"records.get/one": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(products(c).Get(ctx, firstID))
	},
	"records.get/keys": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(c.Records.Get(ctx, 3906, firstID, minapp.CallKeys("name", "price")))
	},
	"records.get/expand-keys": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(minapp.TableOf[expanded](c, 3906).Get(ctx, firstID, minapp.CallExpand("pointer"), minapp.CallKeys("pointer.customized_field")))
	},
	"records.get/not-found": func(ctx context.Context, c *minapp.Client) wireResult { return rowResult(raws(c).Get(ctx, renamedID)) },
	"records.get/unauthorized": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(c.Records.Get(ctx, 3906, firstID))
	},

	"records.create/one": createFields(minapp.Fields{
		"name": "nickname", "desc": []string{"description"}, "price": 19, "amount": 19, "code": "18814098707",
		"obj": map[string]int{"a": 1, "b": 2}, "geo": geo.Point{Lng: 10, Lat: 10}, "file": photo, "pointer": "72477415",
	}),
	"records.create/column-types": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(minapp.TableOf[everything](c, 3906).Create(ctx, everything{
			String: "text", Integer: 9007199254740993, Number: 1.5, Boolean: true, Array: []string{"a", "b"}, Object: map[string]int{"a": 1},
			Date: "2018-09-26T11:22:51.100000+08:00", Point: geo.Point{Lng: 113.3, Lat: 23.1},
			Polygon: geo.NewPolygon(geo.Point{Lng: 10, Lat: 10}, geo.Point{Lng: 20, Lat: 10}, geo.Point{Lng: 30, Lat: 20}, geo.Point{Lng: 10, Lat: 10}),
			File:    photo, Pointer: pointer{ID: "5a2fa9b008443e59e0e67889"},
		}))
	},
	"records.create/pointer": createFields(minapp.Fields{
		"name": "nickname", "desc": []string{"description"}, "price": 19, "amount": 19, "code": "18814098707", "pointer": "5a2fa9b008443e59e0e67889",
	}),
	"records.create/pointer-only": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(raws(c).Create(ctx, json.RawMessage(`{"pointer": "5a2fa9b008443e59e0e67889"}`)))
	},
	"records.create/acl": createProduct(product{
		Name: "nickname", WritePerm: []string{"gid:656", "user:37087886"}, ReadPerm: []string{"user:37087886"},
	}),
	"records.create/system-columns": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(minapp.TableOf[imported](c, 3906).Create(ctx, imported{"nickname", 37087886, 1500000000, 1500000001}))
	},
	"records.create/wrong-type-dropped": createFields(minapp.Fields{"name": "nickname", "price": "nineteen"}),
	"records.create/type-conflict":      createFields(minapp.Fields{"name": 1, "price": "nineteen"}),
	"records.create/bad-request":        createProduct(product{Price: 19}),
	"records.create/no-such-table":      createProduct(product{Name: "nickname"}),
	"records.create/unauthorized":       createProduct(product{Name: "nickname"}),
	"records.create/triggers-off":       createProduct(product{Name: "nickname"}, minapp.CallTriggers(false)),

	"records.update/plain": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(products(c).Update(ctx, renamedID, patch.From(product{Name: "nickname"})))
	},
	"records.update/acl": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(products(c).Update(ctx, renamedID, patch.Set("write_perm", []string{"gid:656", "user:37087886"}).Set("read_perm", []string{"user:37087886"})))
	},
	"records.update/pointer": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(minapp.TableOf[expanded](c, 3906).Update(ctx, renamedID, patch.Set("pointer", "5a2fa9b008443e59e0e67889")))
	},
	"records.update/system-columns": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(minapp.TableOf[imported](c, 3906).Update(ctx, renamedID, patch.From(imported{"nickname", 37087886, 1500000000, 1500000001})))
	},
	"records.update/unset": func(ctx context.Context, c *minapp.Client) wireResult {
		return rowResult(raws(c).Update(ctx, updatedID, patch.Unset("example")))
	},
	"records.update/mixed":                updateFields(updatedID, patch.Set("name", "nickname").IncrBy("price", 1).Unset("example")),
	"records.update/atomic-incr-by-plus":  updateFields(updatedID, patch.IncrBy("price", 1)),
	"records.update/atomic-incr-by-minus": updateFields(updatedID, patch.IncrBy("price", -1)),
	"records.update/atomic-append":        updateFields(updatedID, patch.Append("tag", "Hello")),
	"records.update/atomic-append-unique": updateFields(updatedID, patch.AppendUnique("tag", "Hello")),
	"records.update/atomic-append-incr":   updateFields(updatedID, patch.Append("desc", []string{"atomic data"}).IncrBy("price", -1)),
	"records.update/atomic-remove":        updateFields(updatedID, patch.Remove("tag", "Hello")),
	"records.update/atomic-pop":           updateFields(updatedID, patch.Pop("tag")),
	"records.update/atomic-shift":         updateFields(updatedID, patch.Shift("tag")),
	"records.update/atomic-update-object": updateFields(updatedID, patch.Merge("obj", map[string]int{"b": 3})),
	"records.update/bad-request":          updateFields(updatedID, patch.IncrBy("name", 1)),
	"records.update/not-found":            updateFields(renamedID, patch.Set("name", "nickname")),

	"records.delete/one": func(ctx context.Context, c *minapp.Client) wireResult {
		return doneResult(products(c).Delete(ctx, renamedID))
	},
	"records.delete/not-found": func(ctx context.Context, c *minapp.Client) wireResult {
		return doneResult(c.Records.Delete(ctx, 3906, renamedID))
	},

	"bulk.create/all-written":       createPeople(nil, person{"Sam", true}, person{"Andrew", false}),
	"bulk.create/all-rejected":      createPeople(nil, person{"Sam", true}, person{"Andrew", false}),
	"bulk.create/partial-duplicate": createPeople(nil, person{"Sam", true}, person{"Sam", true}),
	"bulk.create/bad-request":       createPeople(nil, person{"", true}, person{"", false}),
	"bulk.create/no-such-table": func(ctx context.Context, c *minapp.Client) wireResult {
		return bulkResult(c.Bulk.CreateMany(ctx, 70264, []minapp.Fields{{"name": "Sam", "pretty": true}, {"name": "Andrew", "pretty": false}}))
	},
	"bulk.create/unauthorized": func(ctx context.Context, c *minapp.Client) wireResult {
		rows := []json.RawMessage{json.RawMessage(`{"name":"Sam","pretty":true}`), json.RawMessage(`{"name":"Andrew","pretty":false}`)}
		return bulkResult(minapp.TableOf[json.RawMessage](c, 70264).CreateMany(ctx, rows))
	},
	"bulk.create/triggers-off": createPeople([]minapp.CallOption{minapp.CallTriggers(false)}, person{"Sam", true}, person{"Andrew", false}),
}

// The contract, seen from the client: every documented exchange is one call,
// which sends exactly the documented request and understands the answer.
func TestWire(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range exchanges(t) {
		if ofMOI(e) {
			continue
		}
		seen[e.Name] = true
		call := wireCases[e.Name]
		if e.EmulatorOnly || isSignIn(e) {
			assert.Nil(t, call, "%s is not sent by a call of its own", e.Name)
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			require.NotNil(t, call, "the exchange has no case")
			got := replay(t, e, call)
			if e.Response.Status >= 400 {
				checkRefusal(t, e, got.err)
			} else {
				require.NoError(t, got.err)
			}
			assert.Equal(t, got.said(e.Request.Body, e.Response), got.seen)
		})
	}
	for name := range wireCases {
		assert.True(t, seen[name], "the case %s has no exchange", name)
	}
}

// The comparison above notices a difference of any value that an answer holds.
func TestWireNoticesEveryValue(t *testing.T) {
	for _, e := range exchanges(t) {
		call := wireCases[e.Name]
		if call == nil || e.Response.Status >= 400 || len(e.Response.Body) == 0 {
			continue
		}
		got := replay(t, e, call)
		body := parseJSON(e.Response.Body)
		require.Equal(t, got.said(e.Request.Body, e.Response), got.seen, e.Name)
		changed := 0
		changeEach(body, "", nil, func(at string) {
			if invisible.MatchString(e.Name + " " + at) {
				return
			}
			changed++
			assert.NotEqual(t, got.said(e.Request.Body, fixture.Response{Status: e.Response.Status, Body: mustJSON(body)}), got.seen,
				"%s: a changed %s goes unnoticed", e.Name, at)
		})
		assert.Equal(t, !slices.Contains(silent, e.Name), changed > 0, e.Name)
	}
}

// silent are the answers of which a caller learns nothing but that they came.
var silent = []string{"tables.list/by-name-none", "indexes.create/compound", "imports.start/csv", "imports.start/json", "imports.start/userve"}

func exchanges(t *testing.T) []fixture.Exchange {
	t.Helper()
	exchanges, err := fixture.Load(os.DirFS("testdata/exchanges"))
	require.NoError(t, err)
	return exchanges
}

func exchange(t *testing.T, name string) fixture.Exchange {
	t.Helper()
	all := exchanges(t)
	i := slices.IndexFunc(all, func(e fixture.Exchange) bool { return e.Name == name })
	require.GreaterOrEqual(t, i, 0, "no exchange %s", name)
	return all[i]
}

// preludes names the exchange that a call has before the one it is a case of.
var preludes = map[string]string{}

// replay makes a call, answers it with the response of the exchange, and checks
// what was sent.
func replay(t *testing.T, e fixture.Exchange, call wireCase) wireResult {
	t.Helper()
	steps := []fixture.Exchange{e}
	if prelude, ok := preludes[e.Name]; ok {
		steps = slices.Insert(steps, 0, exchange(t, prelude))
	}
	step := -1
	client, transport := mocked(t, func(r *http.Request) (*http.Response, error) {
		step++
		e := steps[min(step, len(steps)-1)]
		var body []byte
		if r.Body != nil {
			var err error
			body, err = io.ReadAll(r.Body)
			assert.NoError(t, err)
		}
		for _, diff := range e.Request.Diff(r, body) {
			t.Errorf("%s: %s", e.Name, diff)
		}
		checkCredentials(t, e, r)
		assert.Equal(t, "https://cloud.minapp.com", r.URL.Scheme+"://"+r.URL.Host, e.Name)
		resp := httpmock.NewBytesResponse(e.Response.Status, e.Response.Body)
		resp.Header.Set("Content-Type", "application/json")
		return resp, nil
	}, minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
	if isUserve(e) {
		var err error
		client, err = client.With(minapp.WithSession(&http.Cookie{Name: "session", Value: secret}))
		require.NoError(t, err)
	}
	got := call(t.Context(), client)
	assert.Equal(t, len(steps), transport.GetTotalCallCount(), "%s: requests", e.Name)
	return got
}

func isUserve(e fixture.Exchange) bool { return strings.HasPrefix(e.Request.Path, "/userve/") }

// refusals tells the sentinel of each documented status.
var refusals = map[int]error{400: minapp.ErrInvalid, 401: minapp.ErrUnauthorized, 404: minapp.ErrNotFound}

func checkRefusal(t *testing.T, e fixture.Exchange, err error) {
	t.Helper()
	require.Contains(t, refusals, e.Response.Status)
	require.ErrorIs(t, err, refusals[e.Response.Status])
	require.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
	refusal, ok := errors.AsType[*minapp.Error](err)
	require.True(t, ok, "%T", err)
	assert.Equal(t, minapp.Error{
		Op: e.Operation, Method: e.Request.Method, Path: e.Request.Path, StatusCode: e.Response.Status, Attempts: 1,
		Message: memberOf(parseJSON(e.Response.Body), "error_msg").(string), Body: e.Response.Body,
	}, *refusal)
	assert.ErrorContains(t, err, refusal.Message)
}

// wireResult is what a caller sees of a call, and what the response says that it
// should see. The two are made by different code from different sources.
type wireResult struct {
	seen any
	said func(sent json.RawMessage, r fixture.Response) any
	err  error
}

// seenResult is a result of which a refused caller sees nothing.
func seenResult(err error, seen any, said func(body any) any) wireResult {
	r := wireResult{err: err, said: func(_ json.RawMessage, r fixture.Response) any {
		if r.Status >= 400 {
			return nil
		}
		return said(parseJSON(r.Body))
	}}
	if err == nil || seen != nil && !reflect.ValueOf(seen).IsZero() {
		r.seen = seen
	}
	return r
}

func doneResult(err error) wireResult {
	return seenResult(err, err == nil, func(body any) any { return body == nil })
}

func countResult(n int64, err error) wireResult {
	return seenResult(err, n, func(body any) any { return integerOf(memberOf(body, "meta", "total_count")) })
}

// rowFacts is a record.
type rowFacts struct {
	ID         string
	Created    minapp.Timestamp
	Updated    minapp.Timestamp
	Meta       minapp.Meta
	Value, Raw any
}

func rowResult[T any](r *minapp.Record[T], err error) wireResult {
	var seen any
	if r != nil {
		seen = seenRow(r)
	}
	return seenResult(err, seen, func(body any) any { return saidRow[T](body) })
}

func seenRow[T any](r *minapp.Record[T]) rowFacts {
	meta, err := r.Meta()
	facts := rowFacts{r.ID(), r.CreatedAt(), r.UpdatedAt(), meta, r.Value, parseJSON(r.Raw)}
	switch value := any(r.Value).(type) {
	case json.RawMessage:
		facts.Value = parseJSON(value)
	case minapp.Fields:
		facts.Value = map[string]any(value)
	}
	if err != nil {
		facts.Raw = err
	}
	return facts
}

func saidRow[T any](body any) rowFacts {
	id, _ := cmp.Or(memberOf(body, "id"), memberOf(body, "_id")).(string)
	created, changed := minapp.Timestamp(integerOf(memberOf(body, "created_at"))), minapp.Timestamp(integerOf(memberOf(body, "updated_at")))
	creator := memberOf(body, "created_by")
	if object, ok := creator.(map[string]any); ok {
		creator = object["id"]
	}
	meta := minapp.Meta{
		ID: id, CreatedBy: integerOf(creator), CreatedAt: created, UpdatedAt: changed,
		RowPerm: minapp.RowPerm{ReadPerm: textsOf(memberOf(body, "read_perm")), WritePerm: textsOf(memberOf(body, "write_perm"))},
	}
	facts := rowFacts{id, created, changed, meta, body, body}
	var value T
	switch any(value).(type) {
	case json.RawMessage, minapp.Fields:
	default:
		facts.Value = value
		if err := json.Unmarshal(mustJSON(body), &value); err != nil {
			facts.Value = err
			break
		}
		facts.Value = value
	}
	return facts
}

// pageFacts is a page of rows or tables.
type pageFacts struct {
	Elements []any
	Total    int64
	More     bool
}

func pageResult[T any](p *minapp.Page[T], err error) wireResult {
	var seen pageFacts
	if p != nil {
		seen = pageFacts{Total: p.Total, More: p.More}
		for _, r := range p.Records {
			seen.Elements = append(seen.Elements, seenRow(r))
		}
	}
	return seenResult(err, seen, func(body any) any { return saidPage(body, func(row any) any { return saidRow[T](row) }) })
}

func saidPage(body any, element func(any) any) pageFacts {
	said := pageFacts{Total: -1, More: memberOf(body, "meta", "next") != nil}
	if total := memberOf(body, "meta", "total_count"); total != nil {
		said.Total = integerOf(total)
	}
	for _, object := range memberOf(body, "objects").([]any) {
		said.Elements = append(said.Elements, element(object))
	}
	return said
}

func tableResult(info *minapp.TableInfo, err error) wireResult {
	return seenResult(err, seenTable(info), saidTable)
}

func tablesResult(p *minapp.TablePage, err error) wireResult {
	var seen pageFacts
	if p != nil {
		seen = pageFacts{Total: p.Total, More: p.More}
		for _, info := range p.Tables {
			seen.Elements = append(seen.Elements, seenTable(info))
		}
	}
	return seenResult(err, seen, func(body any) any { return saidPage(body, saidTable) })
}

// foundResult is the table of a name; that there is none is an answer, too.
func foundResult(info *minapp.TableInfo, err error) wireResult {
	seen := seenTable(info)
	if errors.Is(err, minapp.ErrNotFound) {
		seen, err = "no such table", nil
	}
	return seenResult(err, seen, func(body any) any {
		if objects := memberOf(body, "objects").([]any); len(objects) > 0 {
			return saidTable(objects[0])
		}
		return "no such table"
	})
}

// seenTable puts a table together again as the service spells it.
func seenTable(info *minapp.TableInfo) any {
	if info == nil {
		return nil
	}
	fields := []any{}
	for _, f := range info.Fields {
		field := map[string]any{"name": f.Name, "type": f.Type}
		for name, attribute := range map[string]string{"format": f.Format, "coordinate_type": f.CoordinateType, "description": f.Description} {
			if attribute != "" {
				field[name] = attribute
			}
		}
		if f.Items != nil {
			items := map[string]any{"type": f.Items.Type}
			if f.Items.Type == minapp.TypeGeoJSON {
				items["format"], items["coordinate_type"] = f.Items.Format, f.Items.CoordinateType
			}
			field["items"] = items
		}
		if f.SchemaID != 0 {
			field["schema_id"] = int64(f.SchemaID)
		}
		if f.Constraints != nil {
			field["constraints"] = map[string]any{"required": f.Constraints.Required}
		}
		if f.Default != nil {
			field["default"] = f.Default
		}
		if f.ACL != nil {
			field["acl"] = f.ACL
		}
		fields = append(fields, field)
	}
	return parseJSON(mustJSON(map[string]any{
		"id": int64(info.ID), "name": info.Name, "schema": map[string]any{"fields": fields}, "protected_fields": info.ProtectedFields,
		"default_row_perm": map[string]any{"_read_perm": info.Rows.ReadPerm, "_write_perm": info.Rows.WritePerm}, "write_perm": info.CreateRow,
		"created_at": int64(info.CreatedAt), "updated_at": int64(info.UpdatedAt),
	}))
}

func saidTable(object any) any { return object }

// batchFacts is what became of a bulk create.
type batchFacts struct {
	First, Len, Next int
	Totals           minapp.Totals
	Outcomes         []outcomeFacts
	Failed           []int
	Error            bool // whether the batch has one
	Duplicate        bool
}

type outcomeFacts struct {
	Index         int
	State         minapp.State
	ID            string
	CreatedAt     minapp.Timestamp
	UpdatedAt     minapp.Timestamp
	Code, Message string
}

// bulkResult is a result of its own kind: a caller whose rows were refused sees their
// outcomes, too.
func bulkResult(b *minapp.Batch, err error) wireResult {
	r := wireResult{err: err, said: saidBatch}
	if b == nil {
		return r
	}
	r.seen = seenBatch(b, err)
	if e, ok := errors.AsType[*minapp.BulkError](err); ok && e.Batch == b && !refusedAsAWhole(err) {
		r.err = nil // single rows were refused, which the outcomes say
	}
	return r
}

func seenBatch(b *minapp.Batch, err error) batchFacts {
	seen := batchFacts{First: b.First, Len: b.Len(), Next: b.Next(), Totals: b.Totals, Error: err != nil, Duplicate: errors.Is(err, minapp.ErrDuplicate)}
	for _, o := range b.Outcomes() {
		facts := outcomeFacts{Index: o.Index, State: o.State, ID: o.ID, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt}
		if o.Err != nil {
			facts.Message = o.Err.Error()
		}
		if e, ok := errors.AsType[*minapp.Error](o.Err); ok {
			facts.Code, facts.Message = e.Code, e.Message
		}
		seen.Outcomes = append(seen.Outcomes, facts)
	}
	for _, o := range b.Failed() {
		seen.Failed = append(seen.Failed, o.Index)
	}
	return seen
}

// refusedAsAWhole reports whether the request failed as a whole.
func refusedAsAWhole(err error) bool {
	e, ok := errors.AsType[*minapp.Error](err)
	return ok && e.StatusCode != 0
}

func saidBatch(sent json.RawMessage, r fixture.Response) any {
	body := parseJSON(r.Body)
	rows := parseJSON(sent).([]any)
	items, _ := memberOf(body, "operation_result").([]any)
	total, written := int64(len(rows)), int64(0)
	if r.Status < 400 {
		total, written = integerOf(memberOf(body, "total_count")), integerOf(memberOf(body, "succeed"))
	}
	said := batchFacts{Len: len(rows), Next: len(rows), Totals: minapp.Totals{Read: total, Written: written, Rejected: total - written}, Error: total > written}
	for i := range rows {
		o := outcomeFacts{Index: i, State: minapp.Rejected}
		if r.Status >= 400 {
			o.Message = memberOf(body, "error_msg").(string)
		} else {
			o = saidOutcome(i, items[i])
		}
		if o.State != minapp.Written {
			said.Failed = append(said.Failed, i)
		}
		said.Duplicate = said.Duplicate || o.Code == "11000"
		said.Outcomes = append(said.Outcomes, o)
	}
	return said
}

func saidOutcome(i int, item any) outcomeFacts {
	success := memberOf(item, "success")
	if success == nil {
		return outcomeFacts{
			Index: i, State: minapp.Rejected,
			Code: string(memberOf(item, "error", "code").(json.Number)), Message: memberOf(item, "error", "err_msg").(string),
		}
	}
	return outcomeFacts{
		Index: i, State: minapp.Written, ID: memberOf(success, "id").(string),
		CreatedAt: minapp.Timestamp(integerOf(memberOf(success, "created_at"))),
		UpdatedAt: minapp.Timestamp(integerOf(memberOf(success, "updated_at"))),
	}
}

// parseJSON decodes JSON with exact numbers; no JSON is nil.
func parseJSON(data []byte) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil && len(data) > 0 {
		return err
	}
	return v
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// memberOf follows names through objects; nil if one is not there.
func memberOf(v any, names ...string) any {
	for _, name := range names {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// integerOf is an exact integer; 0 if there is none.
func integerOf(v any) int64 {
	number, _ := v.(json.Number)
	n, _ := number.Int64()
	return n
}

func textsOf(v any) []string {
	var list []string
	elements, _ := v.([]any)
	for _, element := range elements {
		list = append(list, element.(string))
	}
	return list
}

// invisible is what an answer says and its reader does not see.
var invisible = regexp.MustCompile(`^records\.count/\S+ \.(objects|meta\.next)|^tables\.list/(userve-)?by-name\S* \.meta|^indexes\.list/\S+ \.meta|^indexes\.create/compound | \.meta\.(limit|offset|previous)$` +
	// A call by filter asks for limit and offset itself, and does not follow next.
	`|^bulk\.(update|delete)/\S+ \.(limit|offset|status)$|^bulk\.(update/by-ids\S*|delete/(where|everything|none)) \.next$` +
	// An update at once says how many rows were written, not which.
	`|^bulk\.update/(sample|total|triggers-off|some-rejected) \.operation_result\[\]\.success` +
	`|^(exports\.create|imports\.start)/\S+ \.status$|^exports\.get/\S+ \.job_id$`)

// changeEach calls back once for each value in a tree, while that value is another
// one.
func changeEach(v any, at string, set func(any), call func(at string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			changeEach(value, at+"."+name, func(value any) { v[name] = value }, call)
		}
	case []any:
		for i, element := range v {
			changeEach(element, at+"[]", func(element any) { v[i] = element }, call)
		}
	default:
		set(otherThan(at, v))
		call(at)
		set(v)
	}
}

// otherThan is another value of the same type, and the other of the two that a
// link can have.
func otherThan(at string, v any) any {
	switch v := v.(type) {
	case string:
		if at == ".meta.next" {
			return nil
		}
		return v + "x"
	case json.Number:
		if _, err := v.Int64(); err != nil {
			return json.Number("7.25")
		}
		return json.Number(strconv.FormatInt(integerOf(v)+1, 10))
	case bool:
		return !v
	}
	return "x"
}
