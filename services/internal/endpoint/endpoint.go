// Package endpoint answers NATS requests many at once, within a bound, and drains them when it stops.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"go.uber.org/zap"
)

// Version is what the services report to `nats micro`.
const Version = "0.1.0"

// Dialer opens a connection to the NATS server of this installation, in process or over the network.
type Dialer func(...nats.Option) (*nats.Conn, error)

// Request is one request and the way back to who asked.
type Request struct {
	Subject string
	Data    []byte
	// Arrived is when the service took the request.
	Arrived time.Time
	reply   string
	nc      *nats.Conn
}

// Respond sends one message of the answer.
func (r *Request) Respond(data []byte, header nats.Header) error {
	return r.nc.PublishMsg(&nats.Msg{Subject: r.reply, Data: data, Header: header})
}

// Fail answers a request that is not one of the protocol, by the headers of NATS micro services.
func (r *Request) Fail(code, description string) error {
	return r.FailWith(code, description, nil)
}

// FailWith is Fail with a body for programs.
func (r *Request) FailWith(code, description string, body []byte) error {
	return r.Respond(body, nats.Header{micro.ErrorCodeHeader: {code}, micro.ErrorHeader: {description}})
}

// Failure returns what Fail sent, or nil.
func Failure(m *nats.Msg) error {
	if code := m.Header.Get(micro.ErrorCodeHeader); code != "" {
		return &FailedError{Code: code, Description: m.Header.Get(micro.ErrorHeader)}
	}
	return nil
}

// FailedError is a service's answer to a request that it could not serve.
type FailedError struct{ Code, Description string }

func (e *FailedError) Error() string { return e.Code + ": " + e.Description }

// PayloadBytesMax is the largest message that the server carries.
func (r *Request) PayloadBytesMax() int64 { return r.nc.MaxPayload() }

// Handler answers requests. Both run on the service's goroutines and respond at most once.
type Handler struct {
	// Serve answers one request. Its context ends only when a stop has run out of patience.
	Serve func(ctx context.Context, r *Request) error
	// Refuse answers, at once, a request beyond the bound: nothing was done, and it may be repeated.
	Refuse func(r *Request) error
}

// Service is a NATS micro service on a connection of its own, so that to drain it touches nothing else.
type Service struct {
	nc       *nats.Conn
	micro    micro.Service
	log      *zap.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	underway sync.WaitGroup
}

// New connects and announces a service without endpoints.
func New(dial Dialer, name string, log *zap.Logger) (*Service, error) {
	nc, err := dial(nats.Name("allied "+name), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("start service %s: %w", name, err)
	}
	m, err := micro.AddService(nc, micro.Config{Name: name, Version: Version})
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("start service %s: %w", name, err)
	}
	s := &Service{nc: nc, micro: m, log: log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Add answers a subject from now on, at most inFlightMax requests at once.
func (s *Service) Add(name, subject string, inFlightMax int, h Handler) error {
	slots := make(chan struct{}, inFlightMax)
	err := s.micro.AddEndpoint(name, micro.HandlerFunc(func(m micro.Request) {
		r := &Request{Subject: m.Subject(), Data: m.Data(), Arrived: time.Now(), reply: m.Reply(), nc: s.nc}
		select {
		case slots <- struct{}{}:
		default:
			s.report(name, h.Refuse(r))
			return
		}
		s.underway.Go(func() {
			defer func() { <-slots }()
			s.report(name, h.Serve(s.ctx, r))
		})
	}), micro.WithEndpointSubject(subject))
	if err != nil {
		return fmt.Errorf("serve %s: %w", subject, err)
	}
	if err := s.nc.FlushTimeout(flushWaitMax); err != nil { // the server now knows who answers
		return fmt.Errorf("serve %s: %w", subject, err)
	}
	return nil
}

// report logs an answer that could not be sent; who asked learns by its own timeout.
func (s *Service) report(endpoint string, err error) {
	if err != nil {
		s.log.Warn("request not answered", zap.String("endpoint", endpoint), zap.Error(err))
	}
}

// Publish broadcasts a message on the service's connection.
func (s *Service) Publish(subject string, data []byte, header nats.Header) error {
	return s.nc.PublishMsg(&nats.Msg{Subject: subject, Data: data, Header: header})
}

// PayloadBytesMax is the largest message that the server carries.
func (s *Service) PayloadBytesMax() int64 { return s.nc.MaxPayload() }

// Stop takes no new request, answers what has arrived, and disconnects. When ctx ends first, what is under way is told to end. Where the
// server is away, what is under way is finished, and not answered.
func (s *Service) Stop(ctx context.Context) error {
	defer s.cancel()
	err := s.drain(ctx)
	s.nc.Close()
	if err != nil {
		s.cancel()
		s.underway.Wait()
		return fmt.Errorf("stop service %s: %w", s.micro.Info().Name, err)
	}
	return nil
}

func (s *Service) drain(ctx context.Context) error {
	if err := s.micro.Stop(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	if err := s.awaitDelivery(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { // ends with the requests under way, which end at the latest when their context does
		s.underway.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("requests still under way: %w", ctx.Err())
	}
	if !s.nc.IsConnected() {
		return nil
	}
	return s.nc.FlushTimeout(flushWaitMax)
}

const (
	drainPollEvery = 5 * time.Millisecond
	flushWaitMax   = 5 * time.Second
)

// awaitDelivery returns once every request that the server handed over has reached its handler. The client library reports no end of a
// drained subscription of a micro service, so their number is watched. While the server is away it is not waited for: nobody hears an answer.
func (s *Service) awaitDelivery(ctx context.Context) error {
	poll := time.NewTicker(drainPollEvery)
	defer poll.Stop()
	for s.nc.NumSubscriptions() > 0 && s.nc.IsConnected() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("requests still arriving: %w", ctx.Err())
		}
	}
	return nil
}
