SELECT r.eventName, r.awsRegion, count(*) AS n
FROM (SELECT unnest(Records) AS r
      FROM read_json('$LOGS/**/*.json.gz', columns = {Records: 'STRUCT(eventName VARCHAR, awsRegion VARCHAR)[]'}))
GROUP BY ALL
