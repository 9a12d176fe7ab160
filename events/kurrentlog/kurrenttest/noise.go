package kurrenttest

import (
	"fmt"
	"math/rand/v2"
)

// Noise is what others write between our events, drawn from a seed: the same appends in the same order meet the same noise.
type Noise struct {
	Seed      uint64
	EventsMax int // before and after each append; 0 is no noise
}

// noisemaker draws noise. It needs the store's lock, and draws nothing but numbers: a clock or a map's order would change what follows.
type noisemaker struct {
	config Noise
	random *rand.Rand
	made   int
}

func newNoisemaker(config Noise) *noisemaker {
	return &noisemaker{config: config, random: rand.New(rand.NewPCG(config.Seed, 0))}
}

func (m *noisemaker) before(s *Store) { m.make(s, nil) }

func (m *noisemaker) after(s *Store, stored []*Event) { m.make(s, stored) }

// make writes system events and those of another application. Links point at events of ours, as a category projection's do.
func (m *noisemaker) make(s *Store, ours []*Event) {
	if m.config.EventsMax == 0 {
		return
	}
	for range m.random.IntN(m.config.EventsMax + 1) {
		m.made++
		switch m.random.IntN(4) {
		case 0:
			s.write("$stats-127.0.0.1:2113", []Event{{Type: "$statsCollected", ContentType: contentJSON, Data: fmt.Appendf(nil, `{"n":%d}`, m.made)}})
		case 1:
			name := fmt.Sprintf("orders-%d", m.random.IntN(8))
			s.write(name, []Event{{Type: "order-placed", ContentType: contentJSON, Data: fmt.Appendf(nil, `{"order":%d}`, m.made)}})
		case 2:
			name := fmt.Sprintf("orders-%d", m.random.IntN(8))
			s.write(metaPrefix+name, []Event{{Type: typeMetadata, ContentType: contentJSON, Data: []byte(`{"$maxAge":86400}`)}})
		case 3:
			if len(ours) > 0 {
				e := ours[m.random.IntN(len(ours))]
				s.write("$ce-ours", []Event{{Type: typeLink, Data: fmt.Appendf(nil, "%d@%s", e.Revision, e.Stream)}})
			}
		}
	}
}
