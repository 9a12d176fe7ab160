package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far a long command is. It shows nothing where nobody sits at standard error, or quiet is asked for.
type progress struct{ bar *progressbar.ProgressBar }

const progressEvery = 100 * time.Millisecond

func (c *cli) startProgress(what string) *progress {
	if c.quiet || !isTerminal(c.stderr) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(c.stderr), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(progressEvery), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24),
	)}
}

// set moves the bar. A bar that cannot be drawn is no reason to fail.
func (p *progress) set(done, of int) {
	if p.bar == nil {
		return
	}
	if p.bar.GetMax() != of {
		p.bar.ChangeMax(of)
	}
	_ = p.bar.Set(done)
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
