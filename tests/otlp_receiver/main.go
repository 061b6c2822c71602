// The OpenTelemetry Collector's own OTLP receiver, with what it received on standard output.
//
// The first argument is the receiver's configuration as JSON. Each request becomes a line
// {"kind": "metrics" | "traces", "headers": {...}, "data": OTLP JSON}. Lines on standard input say how the requests
// that follow are answered: "ok", "unavailable", "invalid", "throttle SECONDS", "slow SECONDS". Ends when it ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

type sink struct {
	mutex   sync.Mutex
	mode    string
	seconds float64
}

func (s *sink) command(line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.mode, s.seconds = words[0], 0
	if len(words) > 1 {
		s.seconds, _ = strconv.ParseFloat(words[1], 64)
	}
	fmt.Printf("{\"kind\":\"mode\",\"mode\":%q}\n", s.mode)
}

func (s *sink) verdict() error {
	s.mutex.Lock()
	mode, wait := s.mode, time.Duration(s.seconds*float64(time.Second))
	s.mutex.Unlock()
	switch mode {
	case "unavailable":
		return status.Error(codes.Unavailable, "told to be unavailable")
	case "invalid":
		return status.Error(codes.InvalidArgument, "told to find fault")
	case "throttle":
		busy, err := status.New(codes.ResourceExhausted, "told to throttle").
			WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
		if err != nil {
			return err
		}
		return busy.Err()
	case "slow":
		time.Sleep(wait)
	}
	return nil
}

func (s *sink) take(ctx context.Context, kind string, encode func() ([]byte, error)) error {
	refused := s.verdict()
	data, err := encode()
	if err != nil {
		return err
	}
	headers := map[string][]string{}
	metadata := client.FromContext(ctx).Metadata
	for key := range metadata.Keys() {
		headers[key] = metadata.Get(key)
	}
	line, err := json.Marshal(map[string]any{
		"kind": kind, "headers": headers, "refused": refused != nil, "data": json.RawMessage(data),
	})
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	fmt.Println(string(line))
	return refused
}

func (s *sink) metrics(ctx context.Context, metrics pmetric.Metrics) error {
	return s.take(ctx, "metrics", func() ([]byte, error) {
		return (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	})
}

func (s *sink) traces(ctx context.Context, traces ptrace.Traces) error {
	return s.take(ctx, "traces", func() ([]byte, error) {
		return (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	})
}

func run() error {
	var configuration map[string]any
	if err := json.Unmarshal([]byte(os.Args[1]), &configuration); err != nil {
		return err
	}
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(configuration).Unmarshal(config); err != nil {
		return err
	}
	ctx := context.Background()
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		BuildInfo:         component.NewDefaultBuildInfo(),
	}
	out := &sink{mode: "ok"}
	toMetrics, err := consumer.NewMetrics(out.metrics)
	if err != nil {
		return err
	}
	toTraces, err := consumer.NewTraces(out.traces)
	if err != nil {
		return err
	}
	metrics, err := factory.CreateMetrics(ctx, settings, config, toMetrics)
	if err != nil {
		return err
	}
	traces, err := factory.CreateTraces(ctx, settings, config, toTraces)
	if err != nil {
		return err
	}
	host := componenttest.NewNopHost()
	for _, each := range []component.Component{metrics, traces} {
		if err := each.Start(ctx, host); err != nil {
			return err
		}
	}
	fmt.Println("{\"kind\":\"ready\"}")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		out.command(lines.Text())
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
