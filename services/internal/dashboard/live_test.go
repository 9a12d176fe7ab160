package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/browsertest"
	"github.com/allied-ledger/allied/services/internal/processtest"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protojson"
)

// commit promises an amount of euro, on the donor's own basis, for air defence.
func commit(title, amount string) *apiv1.Command { return commitOn("donor_stated", title, amount) }

func commitOn(basis, title, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Donor: "NOR", Beneficiary: "UKR", Effective: "2024-03-01",
		Body: &apiv1.Command_CommitPledge{CommitPledge: &apiv1.CommitPledge{Title: title, Commitments: []*apiv1.CommitLine{{
			Firmness: "firm", Line: line(basis, amount),
		}}}},
	}
}

// allocate allocates within the pledge of another command.
func allocate(stream, title, amount string) *apiv1.Command {
	return &apiv1.Command{
		CommandId: uuid.NewString(), Stream: stream, Effective: "2024-04-01",
		Body: &apiv1.Command_AllocatePledge{AllocatePledge: &apiv1.AllocatePledge{Title: title, Line: line("donor_stated", amount)}},
	}
}

func line(basis, amount string) *apiv1.Line {
	return &apiv1.Line{Category: "MIL.AIRDEF", Instrument: "grant", Values: []*apiv1.Value{
		{Basis: basis, Asset: "EUR/2@" + basis, Amount: amount},
	}}
}

// submit sends a command to a server's REST API.
func submit(t *testing.T, url string, cmd *apiv1.Command) *apiv1.Answer {
	t.Helper()
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.Post(url+"/v1/commands", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &apiv1.Answer{}
	if err := protojson.Unmarshal(text, a); err != nil || a.Outcome != "recorded" {
		t.Fatalf("%s %s: %v", reply.Status, text, err)
	}
	return a
}

// holds awaits an element with all of some texts.
func holds(p *browsertest.Page, selector string, texts ...string) {
	quoted, err := json.Marshal(texts)
	if err != nil {
		panic(err) // texts are JSON
	}
	p.Await(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => %s.every(text => e.textContent.includes(text)))", selector, quoted))
}

// rung awaits an amount, as the ladder prints it, on one of its rungs.
func rung(p *browsertest.Page, stage, amount string) { holds(p, "#ladder g.rung", stage, amount) }

// stays notes that the page must not be loaded again, and returns what checks it.
func stays(t *testing.T, p *browsertest.Page) (check func()) {
	browsertest.Eval[bool](p, "window.stays = true")
	return func() {
		t.Helper()
		if !browsertest.Eval[bool](p, "window.stays === true") {
			t.Errorf("%s was loaded again", p.URL())
		}
	}
}

func TestWhatIsRecordedAppears(t *testing.T) {
	w := own(t, nil)
	overview := w.open(t, "/", browsertest.View{})
	overview.AwaitText("main h2", "This ledger holds no facts yet")
	overviewStays := stays(t, overview)

	stream := submit(t, w.url, commit("Patriot battery", "625000000.00")).Stream
	rung(overview, "Committed", "625 m EUR")
	overview.AwaitText(".ticker li:first-child", "Pledge committed by Norway: Patriot battery")
	overview.AwaitText(".ticker li:first-child", "625,000,000.00 EUR")

	pledge := w.open(t, "/pledge/"+strings.TrimPrefix(stream, "pledge-"), browsertest.View{})
	pledge.AwaitText("h1", "Patriot battery")
	pledgeStays := stays(t, pledge)

	submit(t, w.url, allocate(stream, "First package", "200000000.00"))
	rung(overview, "Allocated", "200 m EUR")
	overview.AwaitText(".ticker li:first-child", "Pledge allocated by Norway: First package")
	holds(pledge, "#books tr", "Allocated", "200,000,000.00")
	pledge.AwaitText("#events", "First package")

	overviewStays()
	pledgeStays()
}

// A hidden page gives its stream back, since a browser opens six connections to a host, and shows what was missed when it is seen again.
func TestHiddenPageGivesItsStreamBack(t *testing.T) {
	w := own(t, nil)
	w.record(t, commit("Patriot battery", "625000000.00"))
	p := w.open(t, "/", browsertest.View{})
	p.AwaitText(".live", "Live")
	check := stays(t, p)
	w.awaitStreams(t, 1)

	p.Hide()
	w.awaitStreams(t, 0)
	asked := len(p.Requests())
	w.record(t, commit("Second battery", "125000000.00"))
	if now := p.Requests(); len(now) > asked {
		t.Errorf("a hidden page asks for %q", now[asked:])
	}

	p.Show()
	rung(p, "Committed", "750 m EUR")
	p.AwaitText(".live", "Live")
	w.awaitStreams(t, 1)
	check()
}

// awaitStreams returns once so many readers follow the balances.
func (w *world) awaitStreams(t *testing.T, n int) {
	t.Helper()
	want := fmt.Sprintf("allied_streams_open{view=\"balances\"} %d\n", n)
	ctx, cancel := context.WithTimeout(t.Context(), fillWaitMax)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		reply, err := http.Get(w.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reply.Body)
		if reply.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), want) {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("there is no %s", want)
		}
	}
}

// TestKilledServerIsMissedAndFoundAgain kills the program itself, and starts it again at the same address and on the same folder.
func TestKilledServerIsMissedAndFoundAgain(t *testing.T) {
	binary, err := processtest.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	serve := func(dir, listen string) *processtest.Process {
		return processtest.Start(t, binary, "serve", "--data", dir, "--listen", listen)
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	server := serve(dir, "127.0.0.1:0")
	submit(t, server.HTTP, commit("Patriot battery", "625000000.00"))
	b, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, server.HTTP+"/", browsertest.View{})
	rung(p, "Committed", "625 m EUR")
	p.AwaitText(".live", "Live")
	check := stays(t, p)

	p.Excuse("ERR_CONNECTION_REFUSED")
	p.Excuse("ERR_INCOMPLETE_CHUNKED_ENCODING")
	p.Excuse("ERR_CONNECTION_RESET")
	server.Kill()
	if err := server.Wait(); err == nil {
		t.Error("a killed server ended well")
	}
	p.AwaitText(".live.disconnected", "Disconnected: the connection broke")
	p.AwaitText(".live.disconnected", "next try in")
	p.AwaitText(".live.disconnected", "Disconnected: the server does not answer")
	p.AwaitText("#ladder", "625 m EUR") // what is known stays

	again := serve(dir, strings.TrimPrefix(server.HTTP, "http://"))
	if again.HTTP != server.HTTP {
		t.Fatalf("the server is at %s, and was at %s", again.HTTP, server.HTTP)
	}
	submit(t, again.HTTP, commit("Second battery", "125000000.00"))
	rung(p, "Committed", "750 m EUR")
	p.AwaitText(".live.live", "Live")
	p.AwaitText(".ticker li:first-child", "Second battery")
	check()
	again.Stop()
}

// TestViewsThatStandStillAreShown runs the views in a node of their own, and stops it while facts are recorded.
func TestViewsThatStandStillAreShown(t *testing.T) {
	start := func(cfg boot.Config) *boot.Node {
		cfg.Logger = zap.NewNop()
		n, err := boot.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	stop := func(n *boot.Node) {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	rest := start(boot.Config{DataDir: t.TempDir(), Roles: []string{boot.Recorder, boot.Pledges, boot.API}, HTTPListen: "127.0.0.1:0"})
	t.Cleanup(func() { stop(rest) })
	nc, err := rest.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	w := &world{url: rest.HTTPURL(), ledger: client.New(nc, client.Config{})}
	dir := t.TempDir()
	startViews := func() *boot.Node {
		return start(boot.Config{DataDir: dir, Roles: []string{boot.Views}, NATSURL: rest.URL()})
	}

	views := startViews()
	w.record(t, commit("Patriot battery", "625000000.00"))
	p := w.open(t, "/", browsertest.View{})
	rung(p, "Committed", "625 m EUR")
	p.AwaitText(".live", "Live")
	check := stays(t, p)

	stop(views)
	submit(t, w.url, commit("Second battery", "125000000.00"))
	p.AwaitText(".live.lagging", "Behind: the figures stand still while facts are recorded")
	p.AwaitText(".live.lagging", "fact 0")
	p.AwaitText("#ladder", "625 m EUR")

	t.Cleanup(func() { stop(views) })
	views = startViews()
	p.AwaitText(".live.live", "Live")
	rung(p, "Committed", "750 m EUR")
	check()
}
