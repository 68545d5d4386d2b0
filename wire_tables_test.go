package minapp_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/where"
)

var _ = addWireCases(map[string]wireCase{
	"tables.create/v1-8": inTableVersion("v1.8", func(ctx context.Context, c *minapp.Client) wireResult {
		return tableResult(c.Tables.Create(ctx, minapp.TableSpec{
			Name: "Table199", Fields: []minapp.Field{{Name: "String", Type: minapp.TypeString}},
			Rows:      minapp.RowPerm{ReadPerm: []string{minapp.PermAnonymous}, WritePerm: []string{minapp.PermUsers, minapp.PermGroup(656)}},
			CreateRow: []string{minapp.PermUser(37087886)},
		}))
	}),
	"tables.create/array-items": createTable(
		minapp.Field{Name: "places", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordGCJ02}},
		minapp.Field{Name: "photos", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeFile}},
		minapp.Field{Name: "days", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeDate}},
		minapp.Field{Name: "parts", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeObject}},
	),
	"tables.create/userve-one":        onDashboard(createDashboardTable),
	"tables.create/userve-name-taken": onDashboard(createDashboardTable),
	"tables.get/userve-one":           onDashboard(getTable),
	"tables.get/userve-unauthorized":  onDashboard(getTable),
	"tables.list/userve-all": onDashboard(func(ctx context.Context, c *minapp.Client) wireResult {
		return tablesResult(c.Tables.Page(ctx, minapp.TableQuery{PageSize: 20}))
	}),
	"tables.list/userve-by-name": onDashboard(func(ctx context.Context, c *minapp.Client) wireResult {
		return foundResult(c.Tables.FindByName(ctx, "Table"))
	}),
	"tables.update/one":               renameTable,
	"tables.update/name-taken":        renameTable,
	"tables.update/not-found":         renameTable,
	"tables.update/unauthorized":      renameTable,
	"tables.update/userve-one":        onDashboard(renameTable),
	"tables.update/userve-name-taken": onDashboard(renameTable),
	"tables.update/permissions": updateTable(minapp.TableUpdate{
		Rows:      minapp.RowPerm{ReadPerm: []string{minapp.PermGroup(656), minapp.PermUser(37087886)}},
		CreateRow: []string{},
	}),
	"tables.update/schema": updateTable(minapp.TableUpdate{Fields: []minapp.Field{
		{Name: "String", Type: minapp.TypeString, Description: "a text"},
		{Name: "count", Type: minapp.TypeInteger, Constraints: &minapp.Constraints{}, Default: json.RawMessage(`0`)},
	}}),
	"tables.update/invalid-schema": updateTable(minapp.TableUpdate{Fields: []minapp.Field{{Name: "String", Type: "text"}}}),
	"tables.delete/userve-one":     onDashboard(deleteTable),

	"indexes.list/all": func(ctx context.Context, c *minapp.Client) wireResult {
		return indexesResult(c.Tables.Indexes(ctx, 20))
	},
	"indexes.list/unauthorized": func(ctx context.Context, c *minapp.Client) wireResult {
		return indexesResult(c.Tables.Indexes(ctx, 20))
	},
	"indexes.create/one":          createIndex("name"),
	"indexes.create/compound":     createIndex("name", "description"),
	"indexes.create/duplicates":   createIndex("name"),
	"indexes.create/unauthorized": createIndex("name"),
	"indexes.delete/one":          deleteIndex,
	"indexes.delete/not-found":    deleteIndex,

	"users.list/all":          listUsers(minapp.Query{PageSize: 20}),
	"users.list/unauthorized": listUsers(minapp.Query{PageSize: 20}),
	"users.list/total":        listUsers(minapp.Query{Where: where.Eq("test", "test"), PageSize: 20, Total: true}),
	"users.list/count":        listUsers(minapp.Query{OrderBy: []string{"-created_at"}, PageSize: 1, Total: true}),
	"users.list/bad-where":    listUsers(minapp.Query{Where: where.Raw(json.RawMessage(`{"test":{"$like":"t"}}`)), PageSize: 20}),
	"users.list/bad-order":    listUsers(minapp.Query{OrderBy: []string{"city"}, PageSize: 20}),
	"users.list/userve-all":   onDashboard(listUsers(minapp.Query{OrderBy: []string{"-created_at"}, PageSize: 20, Total: true})),
	"users.get/one":           getUser(64501217),
	"users.get/not-found":     getUser(88888),
	"users.get/unauthorized":  getUser(64501217),
	"users.get/userve-one":    onDashboard(getUser(36619758)),

	"files.list/all":             listFiles(minapp.FileQuery{PageSize: 20}),
	"files.list/unauthorized":    listFiles(minapp.FileQuery{PageSize: 20}),
	"files.list/category":        listFiles(minapp.FileQuery{Category: categoryID, OrderBy: []string{"-created_at"}, PageSize: 20}),
	"files.list/count":           listFiles(minapp.FileQuery{Max: 1, Total: true}),
	"files.list/userve-category": onDashboard(listFiles(minapp.FileQuery{Category: categoryID, OrderBy: []string{"-created_at"}, PageSize: 20})),
	"files.get/one":              getFile("5a1ba9c1fff1d651135e5ff1"),
	"files.get/unauthorized":     getFile("5a1ba9c1fff1d651135e5ff1"),
	"files.get/not-found":        getFile("5a1ba9c1fff1d651135e5fff"),
	"files.get/userve-one":       onDashboard(getFile("5a1ba9c1fff1d651135e5ff1")),

	"server.time/one":        serverTime,
	"server.time/userve-one": onDashboard(serverTime),

	"records.list/where-intersects": listPlaces(where.Intersects("place", geo.Point{Lng: 113.25, Lat: 23.15})),
	"records.list/where-within": listPlaces(where.Within("place", geo.NewPolygon(
		geo.Point{Lng: 113.2, Lat: 23}, geo.Point{Lng: 113.4, Lat: 23}, geo.Point{Lng: 113.4, Lat: 23.2}, geo.Point{Lng: 113.2, Lat: 23.2}, geo.Point{Lng: 113.2, Lat: 23},
	))),
	"records.list/where-center":     listPlaces(where.WithinCircle("place", geo.Circle{Center: geo.Point{Lng: 113.3, Lat: 23.1}, RadiusKm: 2})),
	"records.list/where-nearsphere": listPlaces(where.WithinRing("place", geo.Ring{Center: geo.Point{Lng: 113.3, Lat: 23.1}, MaxMeters: 500})),
})

// The calls about rows are the same on both surfaces.
var _ = addWireCases(sameOnDashboard(
	"records.list/all", "records.list/where-eq", "records.list/order-created-at", "records.list/pointer-eq", "records.list/expand-pointer-created-by",
	"records.count/all", "records.get/one", "records.create/one", "records.create/bad-request", "records.create/pointer",
	"records.update/plain", "records.update/unset", "records.update/acl", "records.update/pointer", "records.update/atomic-append-incr",
	"records.update/bad-request", "records.delete/one",
))

func sameOnDashboard(names ...string) map[string]wireCase {
	cases := map[string]wireCase{}
	for _, name := range names {
		cases[strings.Replace(name, "/", "/userve-", 1)] = onDashboard(wireCases[name])
	}
	return cases
}

// addWireCases adds the cases of a file to those of all.
func addWireCases(cases map[string]wireCase) bool { //nolint:unparam // a variable has to have a value
	maps.Copy(wireCases, cases)
	return true
}

const categoryID = "5a1ba7b708443e7fc5f2fb18"

// onDashboard makes the call on the other surface.
func onDashboard(call wireCase) wireCase {
	return derived(call, minapp.WithSession(&http.Cookie{Name: "session", Value: secret}), minapp.WithTableVersion("v1.8"))
}

func inTableVersion(version string, call wireCase) wireCase {
	return derived(call, minapp.WithTableVersion(version))
}

func derived(call wireCase, opts ...minapp.Option) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		c, err := c.With(opts...)
		if err != nil {
			panic(err)
		}
		return call(ctx, c)
	}
}

func createDashboardTable(ctx context.Context, c *minapp.Client) wireResult {
	everyone := []string{minapp.PermUsers}
	return tableResult(c.Tables.Create(ctx, minapp.TableSpec{
		Name: "Table", Fields: []minapp.Field{{Name: "String", Type: minapp.TypeString}},
		Rows: minapp.RowPerm{ReadPerm: everyone, WritePerm: everyone}, CreateRow: everyone,
	}))
}

func updateTable(update minapp.TableUpdate) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return tableResult(c.Tables.Update(ctx, 1, update))
	}
}

func renameTable(ctx context.Context, c *minapp.Client) wireResult {
	return updateTable(minapp.TableUpdate{Name: "table"})(ctx, c)
}

func indexesResult(indexes []minapp.Index, err error) wireResult {
	return seenResult(err, indexes, func(body any) any {
		var said []minapp.Index
		for _, object := range memberOf(body, "objects").([]any) {
			said = append(said, saidIndex(object))
		}
		return said
	})
}

func saidIndex(object any) minapp.Index {
	name, _ := memberOf(object, "index").(string)
	return minapp.Index{Name: name, Fields: textsOf(memberOf(object, "fields"))}
}

func createIndex(fields ...string) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		index, err := c.Tables.CreateIndex(ctx, 20, fields)
		var seen any
		if index != nil {
			seen = *index
		}
		return seenResult(err, seen, func(body any) any {
			for _, object := range body.([]any) {
				if said := saidIndex(object); slices.Equal(said.Fields, fields) {
					return said
				}
			}
			return nil
		})
	}
}

func deleteIndex(ctx context.Context, c *minapp.Client) wireResult {
	return doneResult(c.Tables.DeleteIndex(ctx, 20, "name_1"))
}

func listUsers(q minapp.Query) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		page, err := c.Users.Page(ctx, q)
		if page == nil {
			page = new(minapp.UserPage)
		}
		return seenResult(err, seenPage(page.Users, page.Total, page.More, seenUser), func(body any) any { return saidPage(body, saidUser) })
	}
}

func seenPage[E any](elements []E, total int64, more bool, see func(E) any) pageFacts {
	seen := pageFacts{Total: total, More: more}
	for _, e := range elements {
		seen.Elements = append(seen.Elements, see(e))
	}
	return seen
}

func getUser(id int64) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		user, err := c.Users.Get(ctx, id)
		return seenResult(err, seenUser(user), saidUser)
	}
}

// userFacts is a user, typed and as received.
type userFacts struct {
	User minapp.User
	Raw  any
}

func seenUser(user *minapp.User) any {
	if user == nil {
		return nil
	}
	facts := userFacts{*user, parseJSON(user.Raw)}
	facts.User.Raw = nil
	return facts
}

func saidUser(object any) any {
	text := func(name string) string { s, _ := memberOf(object, name).(string); return s }
	return userFacts{minapp.User{
		ID:       max(integerOf(memberOf(object, "id")), integerOf(memberOf(object, "user_id"))),
		Nickname: text("nickname"), Avatar: text("avatar"), Gender: int(integerOf(memberOf(object, "gender"))),
		Country: text("country"), Province: text("province"), City: text("city"), Language: text("language"),
		OpenID: text("openid"), UnionID: text("unionid"),
		CreatedAt: minapp.Timestamp(integerOf(memberOf(object, "created_at"))),
		UpdatedAt: minapp.Timestamp(integerOf(memberOf(object, "updated_at"))),
	}, object}
}

func listFiles(q minapp.FileQuery) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		page, err := c.Files.Page(ctx, q)
		if page == nil {
			page = new(minapp.FilePage)
		}
		said := func(body any) any { return saidPage(body, func(file any) any { return file }) }
		return seenResult(err, seenPage(page.Files, page.Total, page.More, seenFile), said)
	}
}

func getFile(id string) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		file, err := c.Files.Get(ctx, id)
		return seenResult(err, seenFile(file), func(body any) any { return body })
	}
}

// seenFile puts a file together again as the service spells it.
func seenFile(f *minapp.File) any {
	if f == nil {
		return nil
	}
	file := map[string]any{
		"id": f.ID, "name": f.Name, "created_at": int64(f.CreatedAt), "mime_type": f.MimeType, "cdn_path": f.CDNPath, "size": f.Size, "path": f.Path,
	}
	for name, value := range f.Extra {
		file[name] = value
	}
	return parseJSON(mustJSON(file))
}

func serverTime(ctx context.Context, c *minapp.Client) wireResult {
	now, err := c.ServerTime(ctx)
	return wireResult{err: err, seen: now.Format("2006-01-02T15:04:05.000000Z07:00"), said: func(_ json.RawMessage, r fixture.Response) any {
		// A changed text is another time, or none.
		said, _ := memberOf(parseJSON(r.Body), "time").(string)
		if at, err := time.Parse(time.RFC3339, said); err == nil {
			return at.Format("2006-01-02T15:04:05.000000Z07:00")
		}
		return nil
	}}
}

func listPlaces(cond where.Cond) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(raws(c).Page(ctx, minapp.Query{Where: cond, PageSize: 20}))
	}
}
