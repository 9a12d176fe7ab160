package stream_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	apiv1 "github.com/allied-ledger/allied/proto/gen/allied/api/v1"
	"github.com/allied-ledger/allied/services/client"
	"github.com/allied-ledger/allied/services/internal/boot"
	"go.uber.org/zap"
)

// Read the events of a ledger, go away in between, and miss none.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ledger := beginExample(ctx) // a ledger, of which ledger.HTTPURL() is the address
	defer ledger.close()

	last := "" // the id of the last message that is dealt with: keep it with what is made of the messages
	for _, donor := range []string{"NOR", "SWE"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, ledger.HTTPURL()+"/v1/stream?after=0&kind=pledge", nil)
		check(err)
		if last != "" {
			request.Header.Set("Last-Event-ID", last)
		}
		reply, err := http.DefaultClient.Do(request)
		check(err)
		ledger.commit(ctx, donor) // somebody pledges meanwhile

		var id, event, data string
		lines := bufio.NewReader(reply.Body)
		for data == "" || event != "recorded" {
			line, err := lines.ReadString('\n')
			check(err) // connect again, with last
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				event, data = value, ""
			case "id":
				id = value
			case "data":
				data = value
			}
		}
		fmt.Println(event, data[strings.Index(data, `"donor"`):][:len(`"donor":"NOR"`)])
		last = id
		check(reply.Body.Close())
	}
	// Output:
	// recorded "donor":"NOR"
	// recorded "donor":"SWE"
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type exampleLedger struct{ *boot.Node }

func beginExample(ctx context.Context) *exampleLedger {
	n, err := boot.Start(ctx, boot.Config{Profile: boot.ProfileDev, HTTPListen: "127.0.0.1:0", Logger: zap.NewNop()})
	check(err)
	return &exampleLedger{n}
}

func (l *exampleLedger) commit(ctx context.Context, donor string) *apiv1.Answer {
	nc, err := l.Dial()
	check(err)
	defer nc.Close()
	a, err := client.New(nc, client.Config{}).Submit(ctx, commit(donor, "625.00"))
	check(err)
	return a
}

func (l *exampleLedger) close() { check(l.Close(context.Background())) }
