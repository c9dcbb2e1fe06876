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
