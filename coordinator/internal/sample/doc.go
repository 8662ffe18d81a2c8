// Package sample owns what nodes measured: the tables node_run, sample,
// sample_latest and dead_letter, and the way of a metrics message into them.
//
// It must never acknowledge by itself, drop a message silently, or store one
// twice. A message is identified by node, run and sequence numbers; the
// watermark of its run is committed together with its samples, so one that
// comes again is recognised whatever happened to its acknowledgement. What is
// no data (malformed, out of time, in conflict with what is stored) goes to
// dead_letter with a reason, and counts as taken.
package sample
