{{- define "monitoring.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: todo-chatbot
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "monitoring.monitorHead" -}}
namespaceSelector:
  matchNames:
    {{- range .Values.namespaces | default (list .Release.Namespace) }}
    - {{ . }}
    {{- end }}
# job is todo-chatbot: rules and dashboards select by it.
jobLabel: app.kubernetes.io/part-of
{{- end -}}

{{- define "monitoring.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000) (regexFind "[a-z]+$" .)) -}}
{{- end -}}

{{- /* The operator leaves out a monitor whose time-out is longer than its interval, without an error here. */ -}}
{{- define "monitoring.checkTimes" -}}
{{- $m := .Values.podMonitor -}}
{{- if ge (include "monitoring.milliseconds" $m.scrapeTimeout | int64) (include "monitoring.milliseconds" $m.interval | int64) -}}
{{- fail (printf "podMonitor.scrapeTimeout: %s is not less than the interval, %s" $m.scrapeTimeout $m.interval) -}}
{{- end -}}
{{- end -}}

{{- /* The program says the service itself, on what belongs to one; the pod's label says it of the rest. */ -}}
{{- define "monitoring.endpoint" -}}
path: {{ .path }}
interval: {{ .Values.podMonitor.interval }}
scrapeTimeout: {{ .Values.podMonitor.scrapeTimeout }}
honorLabels: true
{{- end -}}

{{- define "monitoring.serviceLabel" -}}
- sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_name]
  targetLabel: service
{{- end -}}
