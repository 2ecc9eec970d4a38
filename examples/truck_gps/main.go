// Command truck-gps is a small fleet on Kafka: trucks send their position, a dashboard and a notification service read it.
//
//	truck-gps trucks         sends the positions of a fleet to the topic truck_gps, keyed by truck id
//	truck-gps dashboard      consumer group "dashboard": shows how the fleet moves
//	truck-gps notification   consumer group "notification": tells who drives too fast
//
// The brokers are found through KAFKA_BOOTSTRAP_SERVERS (default localhost:9092).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// topic is where the trucks send to. All positions of one truck are in one partition, in order.
const topic = "truck_gps"

const usage = `usage: truck-gps COMMAND [FLAGS]

  trucks [-trucks 1000] [-every 5s]   send the position of each truck, keyed by truck id
  dashboard                           read as group "dashboard": how the fleet moves
  notification [-limit 100]           read as group "notification": who drives too fast

KAFKA_BOOTSTRAP_SERVERS names the brokers (default localhost:9092).`

func main() {
	// SIGTERM is how Kubernetes ends a pod: everything below stops in order when ctx is done.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "truck-gps:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command\n%s", usage)
	}
	switch command, flags := args[0], args[1:]; command {
	case "trucks":
		return trucks(ctx, flags)
	case "dashboard":
		return dashboard(ctx, flags)
	case "notification":
		return notification(ctx, flags)
	case "help", "-h", "--help":
		fmt.Println(usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q\n%s", command, usage)
	}
}

// bootstrapServers are the addresses by which a client finds the cluster.
func bootstrapServers() []string {
	servers := os.Getenv("KAFKA_BOOTSTRAP_SERVERS")
	if servers == "" {
		servers = "localhost:9092"
	}
	return strings.Split(servers, ",")
}

// memberName is what a person knows this process by: the pod's name.
func memberName() string {
	if pod := os.Getenv("POD_NAME"); pod != "" {
		return pod
	}
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
