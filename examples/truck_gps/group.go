package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consume reads the topic as a member of a group until ctx is done, then leaves the group.
//
// Each record is handled at least once: it is marked after handle has returned, and what is marked is committed
// every second and whenever partitions are given away. Start as many members as you like; the group shares the
// partitions among them.
func consume(ctx context.Context, group string, handle func(*kgo.Record)) error {
	member := ownership{group: group, member: memberName()}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrapServers()...),
		kgo.ClientID(group),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // a new group reads from the beginning
		kgo.Balancers(kgo.CooperativeStickyBalancer()),    // partitions that stay are read on during a rebalance
		kgo.HeartbeatInterval(time.Second),                // how soon a member hears of a rebalance
		kgo.MetadataMaxAge(10*time.Second),                // how soon it hears of new partitions
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.BlockRebalanceOnPoll(), // no partition is given away between poll and mark
		kgo.OnPartitionsAssigned(member.assigned),
		kgo.OnPartitionsRevoked(member.revoked),
		kgo.OnPartitionsLost(member.lost),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	)
	if err != nil {
		return err
	}
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return leave(client)
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			fmt.Fprintf(os.Stderr, "%s: %s-%d: %v\n", group, topic, partition, err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			handle(record)
			client.MarkCommitRecords(record)
		})
		client.AllowRebalance()
	}
}

// leave commits what is marked and leaves the group: the other members take over at once, not after a timeout. Brokers
// that are away are not waited for.
func leave(client *kgo.Client) error {
	leaving, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client.AllowRebalance()
	return client.LeaveGroupContext(leaving)
}

// ownership knows and prints which partitions this member owns. The client calls one method at a time.
type ownership struct {
	group, member string
	partitions    []int32
}

// assigned is called at the end of each rebalance with what is new, which may be nothing.
func (o *ownership) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	o.partitions = append(o.partitions, added[topic]...)
	slices.Sort(o.partitions)
	fmt.Println(o)
}

// revoked is called before partitions go to another member: the last moment to commit.
func (o *ownership) revoked(ctx context.Context, client *kgo.Client, removed map[string][]int32) {
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: commit: %v\n", o.group, err)
	}
	o.remove(removed[topic])
}

// lost is called when the group has gone on without this member: there is nothing left to commit.
func (o *ownership) lost(_ context.Context, _ *kgo.Client, removed map[string][]int32) {
	o.remove(removed[topic])
}

func (o *ownership) remove(removed []int32) {
	if len(removed) == 0 {
		return
	}
	o.partitions = slices.DeleteFunc(o.partitions, func(p int32) bool { return slices.Contains(removed, p) })
	fmt.Println(o)
}

func (o *ownership) String() string {
	return fmt.Sprintf("owned group=%s member=%s partitions=%v", o.group, o.member, o.partitions)
}
