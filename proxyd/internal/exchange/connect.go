package exchange

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"section.internal/contract/httpcache"
	"section.internal/proxyd/internal/upstream"
)

// connect takes a connection to next-hop that is free, or waits for one.
func (x *exchange) connect(fresh bool) *failure {
	if !fresh {
		if x.up = x.engine.NextHop.Idle(); x.up != nil {
			return nil
		}
	}
	return x.awaitConnection(fresh)
}

// awaitConnection waits for a connection to next-hop for as long as the client does. A client that has ended its side is asked whether
// it is still there, as in await.
func (x *exchange) awaitConnection(fresh bool) *failure {
	wanted, gone := context.WithCancel(context.Background())
	defer gone()
	var probing sync.WaitGroup
	var notTaken *failure // of the probe
	mayProbe := x.mayProbe()
	stop := x.client.OnEnd(func() {
		switch {
		case x.client.Broken():
			gone()
		case mayProbe:
			mayProbe = false
			probing.Go(func() { // a write may take long
				if notTaken = x.probe(); notTaken != nil {
					gone()
				}
			})
		}
	})
	up, err := x.engine.NextHop.Get(wanted, fresh)
	stop()
	probing.Wait()
	if wanted.Err() != nil {
		if up != nil {
			x.engine.NextHop.Put(up)
		}
		return cmp.Or(notTaken, &failure{reason: httpcache.ClientClosed})
	}
	if err != nil {
		if e, ok := errors.AsType[*upstream.Error](err); ok {
			return &failure{reason: e.Reason, err: e}
		}
		return &failure{reason: httpcache.NextHopUnreachable, err: err}
	}
	x.up = up
	return nil
}
