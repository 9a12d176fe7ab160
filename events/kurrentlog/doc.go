// Package kurrentlog keeps a log in KurrentDB, or in EventStoreDB as it was called before.
//
// What is where. A record is one event: its id is the record's, its data the record's bytes as they are, its type and its JSON metadata what
// Config.Describe makes of the record for the server's own tools; of these two the log reads back only that the type begins with "allied.". The
// stream is named as the ledger names it, so that the server's category streams work. Two streams are the log's own: allied_log holds the log's id,
// and allied_index the positions of the log's events, page by page.
//
// Order. The server's $all stream is the order, and an event's commit position is its Position. Other events stand in $all too, the server's
// and those of other programs; they are passed over, so positions have gaps and Prev and Ordinal are counted here. A follower reads $all as it
// grows and counts; whoever asks for the ordinal of a position asks the follower's index. The index is what the follower has seen, and is kept in
// allied_index by pages of equal size, so that a start reads a few pages and not the whole log. It is checked whenever the log is read: an
// event that is not where the index says was removed or added by somebody else, and is damage.
//
// Several recorders may append to one store: the expected revision of each append is the fence. Every answer waits until the follower has
// seen the append, so that who is answered finds it, and Head asks the server's leader, so that no recorder answers from behind.
//
// A client of the library is lent to one call at a time. One that has failed to find the server never does again, one that lost its
// connection does not close it, and calls beside such a call may wait for ever: a client that has had any failure is closed when its call
// returns, and a new one made.
//
// Durability is the server's: it answers an append when a majority of the cluster has it on disk, unless it is configured otherwise.
package kurrentlog
