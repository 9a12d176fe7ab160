// Command client uses REST with Go's standard library: go run client.go http://127.0.0.1:8080
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// problem is what an error says, as RFC 9457 has it.
type problem struct{ Detail, Code, Field, Remedy string }

func (p *problem) Error() string { return p.Code + ": " + p.Remedy }

// do sends a request; an error status is a *problem.
func do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	p := new(problem)
	if err := json.NewDecoder(resp.Body).Decode(p); err != nil {
		return nil, fmt.Errorf("status %s: %w", resp.Status, err)
	}
	return nil, p
}

func get(path string, parameters url.Values) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodGet, os.Args[1]+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return do(r)
}

// getJSON reads an answer.
func getJSON(path string, parameters url.Values, into any) error {
	resp, err := get(path, parameters)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// submit sends a command. With its key it can be sent again whenever the answer was lost.
func submit(command, key string) (answer struct{ Outcome, Position, Code, Remedy string }, err error) {
	r, err := http.NewRequest(http.MethodPost, os.Args[1]+"/v1/commands", strings.NewReader(command))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	resp, err := do(r)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	return answer, json.NewDecoder(resp.Body).Decode(&answer)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	const key, command = "0190d000-0000-7000-8000-0000000000e1", `{"donor": "NOR", "beneficiary": "UKR", "effective": "2024-09-02", "actor": "treasury",
		"commit_pledge": {"title": "Radar", "commitments": [{"firmness": "firm", "line": {"category": "MIL.AIRDEF", "instrument": "grant",
			"values": [{"basis": "donor_stated", "asset": "EUR/2@donor_stated", "amount": "1250000.50"}]}}]}}`
	first, err := submit(command, key)
	if err != nil {
		return err
	}
	again, err := submit(command, key)
	if err != nil {
		return err
	}
	fmt.Println("the second time:", again.Outcome)

	// Read balances that hold the command.
	var balances struct {
		Rows []struct{ Stage, Amount, Asset string }
	}
	if err := getJSON("/v1/balances", url.Values{
		"basis": {"donor_stated"}, "stages": {"committed"}, "donor": {"NOR"}, "asset": {"EUR/2@donor_stated"}, "at_least": {first.Position},
	}, &balances); err != nil {
		return err
	}
	for _, row := range balances.Rows {
		fmt.Println(row.Stage, row.Amount, row.Asset)
	}

	// Page through the pledges.
	count, pages, parameters := 0, 0, url.Values{"limit": {"50"}, "at_least": {first.Position}}
	for {
		var page struct {
			Pledges []struct{ Stream string }
			Next    string
		}
		if err := getJSON("/v1/pledges", parameters, &page); err != nil {
			return err
		}
		count, pages = count+len(page.Pledges), pages+1
		if page.Next == "" {
			break
		}
		parameters.Set("cursor", page.Next)
	}
	fmt.Println(count, "pledges on", pages, "pages")

	// Download all pages as a file, whose name says what it is.
	resp, err := get("/v1/pledges.csv", url.Values{"donor": {"NOR"}, "at_least": {first.Position}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, file, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	if err != nil {
		return err
	}
	names, err := csv.NewReader(resp.Body).Read()
	if err != nil {
		return err
	}
	fmt.Println(file["filename"], "begins with", strings.Join(names[:3], ","))

	// React to a problem.
	if _, err := get("/v1/pledges", url.Values{"doner": {"NOR"}}); err != nil {
		fmt.Println(err)
	}
	return nil
}
