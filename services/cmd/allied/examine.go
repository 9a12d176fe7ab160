package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/allied-ledger/allied/events/es"
	"github.com/allied-ledger/allied/events/filelog"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/allied-ledger/allied/projections/sink/sqlite"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/embednats"
	"github.com/allied-ledger/allied/services/internal/health"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// freeTimesWarn: less space than so many times the reserve is soon none.
	freeTimesWarn = 4
	// syncMillisWarn: every command waits for at least one sync.
	syncMillisWarn = 50
	syncsMeasured  = 7
	probeBytes     = 4096
)

// examineFolder checks a ledger from its files, and its server where there is one.
func (c *cli) examineFolder(ctx context.Context, deep bool) []finding {
	held, holdErr := boot.IsHeld(c.dataDir)
	owner, ownerErr := boot.ReadOwner(c.dataDir)
	log, logErr := filelog.Inspect(nil, c.dataDir)
	checks := []finding{
		examineDisk(c.dataDir), examineSync(c.dataDir), examineFolderMode(c.dataDir, log),
		examineHolder(held, owner, errors.Join(holdErr, ownerErr)),
	}
	if logErr != nil {
		return append(checks, broken("log", "stop the ledger, and restore it from a backup with `allied restore`", logErr))
	}
	checks = append(checks, examineLog(log, held), examineIndex(c.dataDir, log, held))
	checks = append(checks, examineViews(ctx, c.dataDir, log)...)
	if held && owner.URL != "" {
		checks = append(checks, c.examineServer(ctx, owner.URL, log.Log.String())...)
	}
	if held && owner.HTTPURL != "" {
		checks = append(checks, examineHTTP(ctx, owner.HTTPURL))
	}
	if deep {
		checks = append(checks, examineBytes(c.dataDir))
	}
	return checks
}

func examineDisk(dir string) finding {
	free, err := filelog.FreeBytes(nil, dir)
	if err != nil {
		return warn("disk", "look at the disk", "the free space cannot be seen: %s", err)
	}
	return judgeDisk(free)
}

func judgeDisk(free uint64) finding {
	const check, remedy = "disk", "free space on the disk; what is refused meanwhile is not recorded, and can be repeated"
	switch {
	case free < filelog.FreeBytesMin:
		return fails(check, remedy, "%s free; below %s nothing is recorded", mib(free), mib(filelog.FreeBytesMin))
	case free < freeTimesWarn*filelog.FreeBytesMin:
		return warn(check, remedy, "%s free; below %s nothing is recorded", mib(free), mib(filelog.FreeBytesMin))
	default:
		return fine(check, "%s free; the log keeps %s in reserve", mib(free), mib(filelog.FreeBytesMin))
	}
}

func mib(bytes uint64) string { return groupDigits(fmt.Sprint(bytes>>20)) + " MiB" }

// examineSync measures how long it takes to make a small write durable, with a file that it removes.
func examineSync(dir string) finding {
	const check = "fsync"
	took, err := measureSync(dir)
	switch {
	case isNotAllowed(err):
		return warn(check, "nothing, where it is meant to be a copy to read; else make it writable for this user", "not measured: the folder cannot be written, so nothing can be recorded here")
	case err != nil:
		return fails(check, "mend or replace the disk, or free space on it", "%s", err)
	case took > syncMillisWarn*time.Millisecond:
		return warn(check, "a faster disk, or one that others load less: every command waits for it", "%s, the median of %d", shortly(took), syncsMeasured)
	}
	return fine(check, "%s, the median of %d", shortly(took), syncsMeasured)
}

func shortly(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func measureSync(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, "doctor-*.tmp")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	var took []time.Duration
	for i := range int64(syncsMeasured) {
		began := time.Now()
		if _, err := f.WriteAt(make([]byte, probeBytes), i*probeBytes); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// examineFolderMode sees who may change the record.
func examineFolderMode(dir string, log filelog.Inspection) finding {
	const check, worldWrites = "folder", 0o002
	for _, path := range []string{dir, logDir(dir), filepath.Join(logDir(dir), "head")} {
		info, err := os.Stat(path)
		if err != nil {
			return broken(check, "make it readable for this user", err)
		}
		if info.Mode().Perm()&worldWrites != 0 {
			return warn(check, "chmod o-w "+quoted(path), "every user of this machine may write %s", path)
		}
	}
	if len(log.SealedWritable) > 0 {
		return warn(check, "chmod a-w "+quoted(log.SealedWritable[0])+", and the others", "%d of %d segments are sealed and can be written", len(log.SealedWritable), log.Segments)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return broken(check, "make it readable for this user", err)
	}
	return fine(check, "%s, %s", dir, info.Mode())
}

func examineHolder(held bool, owner boot.Owner, err error) finding {
	const check = "server"
	switch {
	case err != nil:
		return broken(check, "make the folder readable for this user", err)
	case held && owner.URL != "":
		return fine(check, "served by process %d at %s", owner.PID, owner.URL)
	case held:
		return fine(check, "held by process %d, which serves nobody else", owner.PID)
	case owner.PID != 0:
		return warn(check, "nothing: the next start takes the folder over", "nobody serves the folder; process %d, which did, was broken off", owner.PID)
	}
	return fine(check, "nobody serves the folder; commands open it themselves")
}

// examineLog holds the head file to the segments.
func examineLog(log filelog.Inspection, held bool) finding {
	const check, remedy = "log", "start the ledger once: it settles the log's end and removes what is half made"
	at := fmt.Sprintf("%d events to position %d in %s, log %s", log.Head.Events, log.Head.Position, counted(log.Segments, "segment", "segments"), log.Log)
	switch {
	case log.HeadMarksDamaged > 0:
		return warn(check, remedy, "%s; %d of the head file's two marks are damaged", at, log.HeadMarksDamaged)
	case !held && log.End > log.Head.Position:
		return warn(check, remedy, "%s; %d bytes behind it were not settled when the ledger was broken off", at, log.End-log.Head.Position)
	case !held && len(log.Leftovers) > 0:
		return warn(check, remedy, "%s; left half made: %s", at, log.Leftovers[0])
	}
	return fine(check, "%s", at)
}

// examineIndex holds the index's mark to the log.
func examineIndex(dir string, log filelog.Inspection, held bool) finding {
	const check = "index"
	if held {
		return fine(check, "in use; its mark was checked when the ledger was opened")
	}
	id, at, err := filelog.IndexMark(nil, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fine(check, "none yet; the next start makes it")
	case err != nil:
		return warn(check, "nothing: the next start makes it anew from the log", "%s", err)
	case at.Position > 0 && id != log.Log:
		return warn(check, "nothing: the next start makes it anew from the log", "it is of log %s", id)
	}
	healthy := fmt.Sprintf("at position %d, the log's end", at.Position)
	if at.Position < log.Head.Position {
		healthy = fmt.Sprintf("at position %d; the next start brings it to the log's end", at.Position)
	}
	return examineMark(check, "the index", at.Position, log, healthy)
}

// examineMark finds what has seen more than the log holds, which means that events were lost.
func examineMark(check, who string, at es.Position, log filelog.Inspection, healthy string) finding {
	switch {
	case at > log.End:
		f := fails(check, "restore the log from a backup that reaches this position; keep the folder as it is until then",
			"%s has seen position %d, and the log ends at %d: events were lost", who, at, log.End)
		f.damage = true
		return f
	case at > log.Head.Position:
		return warn(check, "start the ledger once: it settles the log's end", "%s has seen position %d, and the head file says %d, as after a power failure", who, at, log.Head.Position)
	}
	return fine(check, "%s", healthy)
}

// examineViews holds the views' checkpoints to the log.
func examineViews(ctx context.Context, dir string, log filelog.Inspection) (out []finding) {
	const check, remedy = "views", "the log is the record: stop the ledger, keep views.db as evidence and move it away, and it is rebuilt"
	kept, err := sqlite.OpenStill(viewsFile(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{fine(check, "none kept; they are built from the log when they are first asked for")}
	case isNotAllowed(err):
		return []finding{warn(check, "copy the folder to a place that can be written, and look there", "%s", err)}
	case err != nil:
		return []finding{broken(check, remedy, err)}
	}
	err = kept.View(ctx, func(s engine.Snapshot) error {
		for _, spec := range boot.Specs() {
			f, err := examineView(ctx, s, spec, log)
			if err != nil {
				return err
			}
			out = append(out, f)
		}
		return nil
	})
	if err = errors.Join(err, kept.Close()); err != nil {
		out = append(out, broken(check, remedy, err))
	}
	return out
}

func examineView(ctx context.Context, s engine.Snapshot, spec engine.Spec, log filelog.Inspection) (finding, error) {
	check := "view " + spec.Name
	at, err := s.Checkpoint(ctx, spec)
	var none *engine.NoViewError
	switch {
	case errors.As(err, &none):
		return fine(check, "none of this version is kept; it is built from the log"), nil
	case err != nil:
		return finding{}, err
	case at.Position > 0 && at.LogID != log.Log:
		f := fails(check, "restore the log that it is of, or move views.db away if the log is right as it is", "it has read log %s", at.LogID)
		f.damage = true
		return f, nil
	}
	lag := log.Head.Events - min(at.Events(), log.Head.Events)
	healthy := fmt.Sprintf("at position %d, the log's end", at.Position)
	if lag > 0 {
		healthy = fmt.Sprintf("at position %d, %d events behind; it catches up when it is asked", at.Position, lag)
	}
	return examineMark(check, "it", at.Position, log, healthy), nil
}

// examineServer checks a ledger from outside. An empty log id is not compared.
func (c *cli) examineServer(ctx context.Context, url, logID string) []finding {
	const check, remedy = "nats", "is the server running? `allied serve` prints its address"
	nc, err := boot.Dial(url, nats.Name("allied doctor"))
	if err != nil {
		return []finding{fails(check, remedy, "%s", err)}
	}
	defer nc.Close()
	rtt, err := nc.RTT()
	if err != nil {
		return []finding{fails(check, remedy, "%s does not answer: %s", url, err)}
	}
	out := []finding{fine(check, "%s answers in %s; messages carry %d bytes", url, shortly(rtt), nc.MaxPayload())}
	if nc.MaxPayload() < embednats.PayloadBytesMax {
		out[0] = warn(check, fmt.Sprintf("set max_payload of the NATS server to %d", embednats.PayloadBytesMax), "%s carries messages of %d bytes; a record may have more", url, nc.MaxPayload())
	}
	ledger := client.New(nc, client.Config{})
	recorder, about := health.Recorder(ctx, ledger)
	if about.LogID != "" && logID != "" && about.LogID != logID {
		return append(out, fails("recorder", "stop the server, and start it on this folder", "it records log %s, and the folder holds %s", about.LogID, logID))
	}
	out = append(out, finding{Check: recorder.Check, Status: checkOK, Found: recorder.Found, Remedy: recorder.Remedy})
	if !recorder.OK {
		out[len(out)-1].Status = checkFail
		if about.LogID == "" {
			return out // it does not answer, and the views wait for it
		}
	}
	for _, v := range health.Views(ctx, ledger) {
		if !v.OK {
			out = append(out, warn(v.Check, v.Remedy, "%s", v.Found))
		}
	}
	out = append(out, examineRelay(ctx, nc)...)
	if err := awaitViews(ctx, ledger); err != nil {
		f := broken("answers", "look at the server's messages; `allied replay --verify` compares the views with the log", err)
		var refused *es.Refusal
		if errors.As(err, &refused) && refused.Remedy != "" {
			f.Found, f.Remedy, f.damage = refused.Code+": "+refused.Reason, refused.Remedy, refused.Code == "view_stopped"
		}
		return append(out, f)
	}
	return append(out, fine("answers", "the views answer at position %d", about.Position))
}

// examineRelay looks at the streams of events, where a relay has ever run. The ledger is whole without them.
func examineRelay(ctx context.Context, nc *nats.Conn) (out []finding) {
	js, err := jetstream.New(nc)
	if err != nil {
		return []finding{broken("relay", "look at the NATS server", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, relayWaitMax)
	defer cancel()
	doc, err := inspectRelay(ctx, nc, js)
	if err != nil {
		return nil // a server without JetStream, or one that tells nobody of it
	}
	for _, r := range doc.Streams {
		check := "relay " + r.Stream
		switch {
		case r.Checkpoint == nil:
		case r.Held != nil:
			out = append(out, fails(check, r.Held.Remedy, "holds, and publishes nothing: %s", r.Held.Reason))
		default:
			out = append(out, fine(check, "%d of %d events are published", r.Next, r.LogEvents))
		}
	}
	return out
}

const relayWaitMax = 5 * time.Second

// httpWaitMax bounds how long a server's answer is waited for.
const httpWaitMax = 5 * time.Second

// examineHTTP asks whether a server's HTTP answers. What its readiness would say the other checks have found.
func examineHTTP(ctx context.Context, url string) finding {
	const check, remedy = "http", "look at the server's messages"
	ctx, cancel := context.WithTimeout(ctx, httpWaitMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/livez", nil)
	if err != nil {
		return broken(check, remedy, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return broken(check, remedy, err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		return fails(check, remedy, "%s/livez answers %s", url, res.Status)
	}
	return fine(check, "%s answers", url)
}

// examineBytes reads all of the log.
func examineBytes(dir string) finding {
	const check = "bytes"
	report, err := filelog.Verify(nil, dir)
	if err != nil {
		report, err = filelog.Verify(nil, dir) // beside a server a mark may have been read while it was written
	}
	if err != nil {
		return broken(check, "stop the ledger, keep the folder as it is, and restore it from a backup with `allied restore`", err)
	}
	return fine(check, "every byte of %d events in %s is as it was written", report.Head.Events, counted(report.Segments, "segment", "segments"))
}

func examineVersions() finding {
	v := readVersion()
	revision := cmp.Or(v.Revision, "of unknown revision")
	if v.Modified {
		revision += " and changes"
	}
	return fine("versions", "allied %s %s, %s, log format %d, views layout %d", v.Version, revision, v.Go, filelog.Format, sqlite.Layout)
}
