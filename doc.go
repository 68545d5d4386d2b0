// Package minapp is a client for the data APIs of minapp (知晓云) and for the
// export tasks of MatrixOne Intelligence.
//
//	client, err := minapp.NewClient(minapp.WithToken(token))
//	books := minapp.TableOf[Book](client, 3906)
//	for book, err := range books.All(ctx, minapp.Query{Where: where.Gt("price", 10)}) {
//		…
//	}
//
// # Map
//
//   - [Client] holds credentials, pacing, retries and connections; [NewClient]
//     and [Client.With] take options. [WithClientCredentials] signs in, and
//     [Client.RefreshToken] ends every token given before.
//   - [TableOf] binds a table to a row type; [Table] reads, counts, creates,
//     updates and deletes rows. [Client.Records] and [Client.Bulk] do the same
//     without a type.
//   - [Table.All] walks a table in order; [Table.Scan] reads a whole one with
//     several requests at a time, [Table.Split] and [Table.Chunks] in pieces.
//   - [Table.CreateAll] writes an input of any length and tells how every row
//     ended; [BatchOptions].Key looks up those whose answer was lost, and
//     [CallStrict] notices what the service drops from a single row.
//   - [Table.UpdateWhere] and [Table.DeleteWhere] change every row that
//     matches; [Table.StartUpdate] and [Table.StartDelete] leave that to the
//     service. [AllIn] reads by a list of values of any length.
//   - [Client.Exports] makes files of tables, [ExportRows] reads them,
//     [Client.Imports] makes rows of files.
//   - [Client.Tables] manages tables, their schemas and unique indexes;
//     [TableInfo.Spec] makes of an answer what creates such a table.
//   - [Client.Users] and [Client.Files] read what rows refer to; [Pointer] and
//     [File] are their columns, [RowPerm] the permissions of a row.
//   - [Client.ExportTasks] and [Client.Connectors] are MatrixOne Intelligence,
//     which copies files of its volumes, not rows of tables; package byoa has
//     its words.
//   - [Client.Do] calls what has no method here.
//   - [WithPlan] and [WithLimiter] pace a client, [WithRetry] bounds what is
//     repeated, [CallMeta] tells how a call went.
//   - Package where builds filters, package patch builds updates, package geo
//     has points and shapes, package minapptest is the service in your tests.
//     Package migrate moves whole tables, from and to files and databases, too,
//     and goes on where it was killed.
//
// # What is repeated
//
// Reads, and writes whose repetition changes nothing, are repeated after a
// failure of the network and after 429, 500, 502, 503 and 504. Any other write
// is repeated only after a 429, or if the request certainly was not sent:
// the service knows no idempotency key, and a row would be there twice. Such a
// failure is [ErrOutcomeUnknown], and [CallReplay] says that twice is
// acceptable. Waits double from 0.5 s up to 30 s, with jitter, and end with
// the context; a Retry-After is honoured.
//
// # Bounds
//
// A connection may take 10 s, TLS another 10 s, and the service 60 s from the end
// of a request to the head of its answer. There is no limit to a whole exchange:
// what keeps coming or going is not cut, and a body that drips for ever ends with
// the context, so give the calls a context that ends. [WithHTTPClient] sets other
// limits. Of an answer 64 MiB are read, unpacked; files are not limited, and
// memory does not grow with them.
//
// # Errors
//
// Every failed call is an *[Error]; errors.Is with the sentinels tells the
// reason. Mistakes in arguments are [ErrInvalid] before anything is sent, and a
// filter that fits into no URL is [ErrTooLong]. Any call can end in
// [ErrUnauthorized], [ErrForbidden], [ErrRateLimited], [ErrUnavailable] or
// [ErrProtocol]; methods name the sentinels that mean something of their own.
//
// # Times and numbers
//
// created_at and updated_at are Unix seconds, [Timestamp]; columns of type date
// are ISO 8601 strings with an offset, for which time.Time does. Integers are
// never passed through float64.
package minapp
