// Does to pods what Dapr's injector would, by its own code: a JSON list of pods comes in on standard input, the same
// pods with their sidecars go out. What the injector itself is told is as in charts/operators/dapr.yaml, which the
// arguments repeat: DROP-ALL-CAPABILITIES RUN-AS-NON-ROOT, each true or false. Built by ci/get-charts-tools.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/dapr/dapr/pkg/injector/patcher"
)

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: inject-sidecar DROP-ALL-CAPABILITIES RUN-AS-NON-ROOT")
	}
	var pods []corev1.Pod
	if err := json.NewDecoder(os.Stdin).Decode(&pods); err != nil {
		return fmt.Errorf("the pods on standard input: %w", err)
	}
	out := make([]*corev1.Pod, 0, len(pods))
	for i := range pods {
		sidecar := patcher.NewSidecarConfig(&pods[i])
		sidecar.SetFromPodAnnotations()
		if sidecar.SidecarImage == "" {
			sidecar.SidecarImage = "ghcr.io/dapr/daprd:1.16.19"
		}
		sidecar.Namespace = "todo"
		sidecar.MTLSEnabled = true
		sidecar.ReadOnlyRootFilesystem = true
		sidecar.SidecarDropALLCapabilities = os.Args[1] == "true"
		sidecar.RunAsNonRoot = os.Args[2] == "true"
		patch, err := sidecar.GetPatch()
		if err != nil {
			return fmt.Errorf("pod %s: %w", pods[i].Name, err)
		}
		patched, err := patcher.PatchPod(&pods[i], patch)
		if err != nil {
			return fmt.Errorf("pod %s: %w", pods[i].Name, err)
		}
		out = append(out, patched)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "inject-sidecar:", err)
		os.Exit(1)
	}
}
