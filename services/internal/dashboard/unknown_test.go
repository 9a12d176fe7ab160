package dashboard_test

import (
	"strings"
	"testing"

	"github.com/allied-ledger/allied/services/internal/browsertest"
)

// Of a stage at which all values are undisclosed the page never says that nobody reported it.
func TestUndisclosedIsReported(t *testing.T) {
	p := theSample(t).open(t, "/?donor=POL&asset=EUR/2@donor_stated", browsertest.View{})
	p.AwaitText("#ladder svg a", "1 undisclosed")
	p.Click("#ladder svg a")
	p.AwaitText(".sum .sums", "1 undisclosed value")
	p.AwaitText(".list", "undisclosed")
}

// A donor's page shows its figures whatever group the page before asked for, and so does what its links lead to.
func TestDonorOutsideOfTheGroup(t *testing.T) {
	p := theSample(t).open(t, "/donor/NOR?group=EU", browsertest.View{})
	p.AwaitText("#ladder svg a", "NOK")
	if href := browsertest.Eval[string](p, `document.querySelector("#ladder svg a").getAttribute("href")`); strings.Contains(href, "group=") {
		t.Errorf("its entries are asked for by %s", href)
	}
}

// What changed within months is not called what stands.
func TestChangesAreCalledSo(t *testing.T) {
	p := theSample(t).open(t, "/?mode=standing&from=2023-01&to=2023-12", browsertest.View{})
	p.AwaitText("#donors-title", "Change in what stands at committed, by donor")
	p.AwaitText("#over-time-title", "Change in what stands at committed since")
	p = theSample(t).open(t, "/donor/NOR?from=2023-01", browsertest.View{})
	p.AwaitText("section.part", "do not narrow this list")
	p.AwaitText("#pledges-title + p + .list caption", "each as a whole")
}

// Where all that a picture would draw is undisclosed it says so, and not that nothing is there.
func TestPicturesOfUndisclosedValuesSaySo(t *testing.T) {
	p := theSample(t).open(t, "/?donor=POL&stage=allocated&asset=EUR/2@donor_stated", browsertest.View{})
	p.AwaitText("#over-time .nothing", "undisclosed")
	p.AwaitText("#flow .nothing", "undisclosed")
}

// A picture that is sent on by itself says what is not in it.
func TestSavedPicturesSayWhatIsNotInThem(t *testing.T) {
	p := theSample(t).open(t, "/?asset=EUR/2@donor_stated", browsertest.View{})
	p.AwaitText("#ladder svg a", "undisclosed")
	said := browsertest.Eval[string](p, `new Promise((done) => {
		URL.createObjectURL = (file) => { file.text().then((svg) => done(svg.replace(/<[^>]*>/g, " "))); return "data:,"; };
		[...document.querySelectorAll("#ladder .files button")].find((b) => b.textContent === "SVG").click();
	})`)
	for _, want := range []string{"undisclosed", "Left out:", "guarantees committed", "as of fact"} {
		if !strings.Contains(said, want) {
			t.Errorf("the saved picture does not say %q: %s", want, said)
		}
	}
}
