// Counts the records of a folder of logs by two fields with DuckDB's module for node: duckdb.cjs FOLDER
const fs = require('fs');
const path = require('path');
const { DuckDBInstance } = require('@duckdb/node-api');

async function main() {
	const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
	const connection = await instance.connect();
	const query = fs.readFileSync(path.join(__dirname, 'count.sql'), 'utf8').replace('$LOGS', process.argv[2]);
	const answer = await connection.runAndReadAll(`SELECT sum(n)::VARCHAR FROM (${query})`);
	console.log(answer.getRows()[0][0]);
}

main().catch((error) => {
	console.error(error.message);
	process.exitCode = 1;
});
