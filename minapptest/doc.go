// Package minapptest is a stateful emulator of the minapp data API, for tests
// and for trying things out without credentials.
//
//	func TestOrders(t *testing.T) {
//		s := minapptest.NewServer(t)
//		orders, _ := s.CreateTable(minapptest.Table{
//			Name:   "order",
//			Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "total", Type: "integer"}}},
//		})
//		client, _ := minapp.NewClient(s.Options()...)
//		…
//	}
//
// It keeps tables and rows, evaluates every filter and update operator on them,
// and answers with the bodies and status codes of the documentation. Tests can
// look at what arrived ([Server.Requests], [Server.Count]), break things on
// purpose ([Server.Fault]), and choose the time ([WithClock]).
//
// A server made by [NewServer] listens on a network inside the process, so that
// it works within a testing/synctest bubble; [Server.Listen] puts one on TCP.
//
// Operations have the names that the client gives them: tables.list, .create,
// .get, .update, .delete; records.list, .count (a list with limit=1 and
// return_total_count=1), .get, .create, .update, .delete; bulk.create, .update,
// .delete, .operation; indexes.list, .create, .delete; users.list, .get;
// files.list, .get; exports.create, .list, .get, .download; imports.start;
// exporttasks.create, .list, .get, .files, .rerun, .delete; connectors.list;
// oauth.code, .redirect (the two requests in between), .token, .refresh.
//
// Permissions are stored and shown but not enforced, as on the surfaces for
// servers. Regular expressions are Go's.
//
// What no document settles is marked in the source with "inferred:".
package minapptest
