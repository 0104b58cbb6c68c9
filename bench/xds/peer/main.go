// The peer of the xDS benchmark: go-control-plane's delta server with its linear cache, the cheapest that it has for many
// endpoints that change one by one. Told by lines on standard input what to serve; answers each with a line.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

func assignment(index int, port uint32) *endpoint.ClusterLoadAssignment {
	hosts := make([]*endpoint.LbEndpoint, 0, 3)
	for host := 0; host < 3; host++ {
		hosts = append(hosts, &endpoint.LbEndpoint{HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
				Address:       fmt.Sprintf("10.%d.%d.%d", index/65536, index/256%256, host),
				PortSpecifier: &core.SocketAddress_PortValue{PortValue: port},
			}}},
		}}})
	}
	return &endpoint.ClusterLoadAssignment{ClusterName: fmt.Sprintf("cluster-%d", index), Endpoints: []*endpoint.LocalityLbEndpoints{{LbEndpoints: hosts}}}
}

func main() {
	linear := cache.NewLinearCache(resource.EndpointType)
	xds := server.NewServer(context.Background(), linear, nil)
	grpcServer := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.MaxConcurrentStreams(10000))
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, xds)
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(grpcServer.Serve(listener)) }()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var verb string
		var index, port int
		if _, err := fmt.Sscan(lines.Text(), &verb, &index, &port); err != nil {
			log.Fatal(err)
		}
		switch verb {
		case "load":
			resources := make(map[string]types.Resource, index)
			for each := 0; each < index; each++ {
				one := assignment(each, uint32(port))
				resources[one.ClusterName] = one
			}
			linear.SetResources(resources)
		case "change":
			one := assignment(index, uint32(port))
			if err := linear.UpdateResource(one.ClusterName, one); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println("done")
	}
}
