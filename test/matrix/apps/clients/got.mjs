import got from 'got';
import forms from './got-h1.cjs';

export default forms(got);
