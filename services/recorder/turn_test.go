package recorder_test

import (
	"testing"
	"time"

	"github.com/allied-ledger/allied/events/memlog"
	logv1 "github.com/allied-ledger/allied/proto/gen/allied/log/v1"
	"github.com/allied-ledger/allied/services/recorder"
	"google.golang.org/protobuf/proto"
)

// Of several recorders of one log one broadcasts, after a moment in which they hear of each other; when it is gone, another does. All answer.
func TestOneOfSeveralRecordersBroadcasts(t *testing.T) {
	f := newFixture(t, memlog.New())
	sub, err := f.nc.SubscribeSync(recorder.FramesSubject)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	next := func() (from string, head *logv1.Head) {
		t.Helper()
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		frame := new(logv1.Frame)
		if err := proto.Unmarshal(m.Data, frame); err != nil {
			t.Fatal(err)
		}
		return m.Header.Get(recorder.RecorderHeader), frame.Head
	}
	shared := recorder.Config{Shared: true}
	stop := f.record(shared)
	for round := range uint64(2) {
		another := f.record(shared)
		who, row := "", 0
		for frames := 0; row < 4; frames++ { // no other recorder between, for longer than one is waited for
			from, _ := next()
			if frames > 40 {
				t.Fatal("two recorders broadcast on and on")
			}
			if from == "" {
				t.Fatal("a frame does not name its recorder")
			}
			if from != who {
				who, row = from, 0
			}
			row++
		}
		stop()
		stop = another
		expectStatus(t, f.append(newAppend(newStream(), -1, []byte("1")))[0], logv1.AppendStatus_APPEND_STATUS_RECORDED)
		for _, head := next(); head.Events != round+1; _, head = next() {
		}
	}
}
